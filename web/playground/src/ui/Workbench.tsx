import { QueryEditor, ResponseEditor, useGraphiQL, VariableEditor } from '@graphiql/react';

import { download } from './download.ts';
import { RunButton } from './RunButton.tsx';
import { Steps } from './Steps.tsx';
import { useAnswerInWords } from './useAnswerInWords.ts';
import { useEditorOptions } from './useEditorOptions.ts';
import { useFilledVariables } from './useFilledVariables.ts';

/** The operations in their tabs, with editors and the answer. */
export function Workbench({ onRestore }: { onRestore: () => void }) {
  useEditorOptions();
  useFilledVariables();
  return (
    <section className="workbench graphiql-container" aria-label="Operation">
      <Steps onRestore={onRestore} />
      <div className="editors" id="operation-editors" role="tabpanel" aria-label="Operation and answer">
        <div className="pane pane-query">
          <PaneTitle text="Operation" hint="Ctrl+Enter runs it" />
          <QueryEditor role="group" aria-label="Operation editor: Enter to edit, Tab to leave" />
        </div>
        <div className="pane pane-variables">
          <PaneTitle text="Variables" hint="filled in from earlier answers" />
          <VariableEditor role="group" aria-label="Variables editor: Enter to edit, Tab to leave" />
        </div>
        <RunButton />
        <div className="pane pane-response">
          <AnswerTitle />
          <ResponseEditor aria-label="Answer" aria-live="off" />
          <NoAnswer />
        </div>
      </div>
    </section>
  );
}

/** The answer in a word, which is also what a screen reader hears of it. */
function AnswerTitle() {
  const answer = useAnswerInWords();
  const { editor, title } = useGraphiQL(({ responseEditor, tabs, activeTabIndex }) => ({ editor: responseEditor, title: tabs[activeTabIndex]?.title }));
  return (
    <div className="pane-title">
      <h2>Answer</h2>
      <output className="answer-in-words">{answer}</output>
      {answer && (
        <button type="button" className="copy" onClick={() => download(editor?.getValue() ?? '', `${title ?? 'answer'}.json`)}>
          Download
        </button>
      )}
    </div>
  );
}

function NoAnswer() {
  const empty = useGraphiQL(({ tabs, activeTabIndex, isFetching }) => !isFetching && !tabs[activeTabIndex]?.response);
  return empty && <p className="no-answer">Press Run, and the server’s answer shows up here.</p>;
}

function PaneTitle({ text, hint }: { text: string; hint: string }) {
  return (
    <div className="pane-title">
      <h2>{text}</h2>
      <span className="hint">{hint}</span>
    </div>
  );
}
