import { DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { GraphiQLProvider } from '@graphiql/react';
import type { ReactNode } from 'react';
import { useMemo, useState } from 'react';

import { createFetcher } from '../model/fetcher.ts';
import { examples } from '../model/examples.ts';
import type { GraphiqlMemory } from '../model/preferences.ts';
import { AnsweredContext } from './answered.ts';
import { useDevice } from './context.ts';
import { useSchema } from './useSchema.ts';

const tabs = examples.map(({ query }) => ({ query }));

/** GraphiQL's state and editors, sending as the present device. */
export function GraphiQL({ memory, children }: { memory: GraphiqlMemory; children: ReactNode }) {
  const device = useDevice();
  const schema = useSchema();
  const [answered, setAnswered] = useState(0);
  const fetcher = useMemo(() => createFetcher(device, () => setAnswered((n) => n + 1)), [device]);
  return (
    <GraphiQLProvider fetcher={fetcher} schema={schema} defaultTabs={tabs} storage={memory}>
      <DocExplorerStore>
        <AnsweredContext value={answered}>{children}</AnsweredContext>
      </DocExplorerStore>
    </GraphiQLProvider>
  );
}
