import { DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { GraphiQLProvider, useGraphiQL } from '@graphiql/react';
import type { ReactNode } from 'react';
import { useEffect, useMemo, useState } from 'react';

import { createFetcher } from '../model/fetcher.ts';
import { examples } from '../model/examples.ts';
import type { GraphiqlMemory } from '../model/preferences.ts';
import { AnsweredContext } from './answered.ts';
import { useDevice, usePlayground } from './context.ts';
import { useSchema } from './useSchema.ts';

const tabs = examples.map(({ query }) => ({ query }));

/** GraphiQL's state and editors, sending as the present device. */
export function GraphiQL({ memory, children }: { memory: GraphiqlMemory; children: ReactNode }) {
  const device = useDevice();
  const { history } = usePlayground();
  const schema = useSchema();
  const [answered, setAnswered] = useState(0);
  const [editor] = useState<VariablesEditor>(() => ({ text: () => '' }));
  const fetcher = useMemo(
    () =>
      createFetcher(device, {
        variables: () => editor.text(),
        ran: (query, variables) => history.add(query, variables),
        answered: () => setAnswered((n) => n + 1),
      }),
    [device, editor, history],
  );
  return (
    <GraphiQLProvider fetcher={fetcher} schema={schema} defaultTabs={tabs} storage={memory}>
      <DocExplorerStore>
        <Variables editor={editor} />
        <AnsweredContext value={answered}>{children}</AnsweredContext>
      </DocExplorerStore>
    </GraphiQLProvider>
  );
}

interface VariablesEditor {
  text: () => string;
}

/** Lends the fetcher, which is made outside of GraphiQL's state, the editor of the variables. */
function Variables({ editor }: { editor: VariablesEditor }) {
  const shown = useGraphiQL((state) => state.variableEditor);
  useEffect(() => {
    editor.text = () => shown?.getValue() ?? '';
  }, [editor, shown]);
  return null;
}
