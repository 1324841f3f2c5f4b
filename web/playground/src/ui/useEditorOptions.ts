import { useGraphiQL } from '@graphiql/react';
import { TabFocus } from 'monaco-editor/esm/vs/editor/browser/config/tabFocus.js';
import { useEffect } from 'react';

/** Gives the editors the page's font, and lets Tab leave them, as keyboard users need. */
export function useEditorOptions(): void {
  const { query, variables, response } = useGraphiQL((state) => ({
    query: state.queryEditor,
    variables: state.variableEditor,
    response: state.responseEditor,
  }));
  useEffect(() => TabFocus.setTabFocusMode(true), []); // one setting for all editors
  useEffect(() => {
    const names = { Operation: query, Variables: variables, Answer: response };
    for (const [ariaLabel, editor] of Object.entries(names)) {
      editor?.updateOptions({
        ariaLabel,
        fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
        fontSize: 13,
        lineHeight: 20,
        lineNumbers: 'off',
        folding: false,
        wordWrap: 'on',
        fixedOverflowWidgets: true,
        padding: { top: 8, bottom: 8 },
      });
    }
  }, [query, variables, response]);
}
