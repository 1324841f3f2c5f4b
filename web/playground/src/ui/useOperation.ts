import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import type { editor } from 'monaco-editor';

import { OPERATION, usePanel } from './panel.ts';

type Editor = Pick<editor.IStandaloneCodeEditor, 'getModel' | 'getValue'>;

/** The text of the open operation. */
export interface OperationText {
  query: string;
  variables: string;
  /** Which one is meant where the query has several. */
  selected: string | null;
}

/** The operation as it is at each call: the tab learns of a change a moment after the editor, which a narrow screen puts away. */
export function useOpenOperation(): () => OperationText {
  const { tab, query, variables } = useGraphiQL(({ tabs, activeTabIndex, queryEditor, variableEditor }) => ({
    tab: tabs[activeTabIndex],
    query: queryEditor,
    variables: variableEditor,
  }));
  const textOf = (shown: Editor | undefined, inTab: string | null | undefined) => (shown?.getModel() ? shown.getValue() : (inTab ?? ''));
  return () => ({ query: textOf(query, tab?.query), variables: textOf(variables, tab?.variables), selected: tab?.operationName ?? null });
}

/** Opens an operation in a tab of its own, without running it. Undefined while there are no editors yet. */
export function useOperationOpener(): ((operation: Pick<OperationText, 'query' | 'variables'>) => void) | undefined {
  const { addTab, updateActiveTabValues } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL((state) => ({ queryEditor: state.queryEditor, variableEditor: state.variableEditor }));
  const { open } = usePanel();
  if (!queryEditor || !variableEditor) return undefined;
  return ({ query, variables }) => {
    addTab();
    queryEditor.setValue(query);
    variableEditor.setValue(variables);
    updateActiveTabValues({ query, variables });
    open(OPERATION);
  };
}
