import { useState } from 'react';

import type { Playground } from '../model/playground.ts';
import { GraphiqlMemory } from '../model/preferences.ts';
import { PlaygroundContext } from './context.ts';
import { GraphiQL } from './GraphiQL.tsx';
import { Header } from './Header.tsx';
import { Notices } from './Notices.tsx';
import { OPERATION, PanelContext } from './panel.ts';
import { Panels } from './Panels.tsx';
import { useMovable } from './useMovable.tsx';
import { useWide } from './useWide.ts';
import { Workbench } from './Workbench.tsx';

/** The page: on a wide screen operations and a panel side by side, on a narrow one either. */
export function App({ playground }: { playground: Playground }) {
  const [memory, setMemory] = useState(() => new GraphiqlMemory());
  const wide = useWide();
  const [panel, setPanel] = useState(OPERATION);
  // GraphiQL's editors forget what they hold when they are put up a second time, and fail.
  const workbench = useMovable(<Workbench onRestore={() => setMemory(memory.startOver())} />);
  return (
    <PlaygroundContext value={playground}>
      <PanelContext value={{ name: panel, open: setPanel }}>
        <GraphiQL key={memory.life} memory={memory}>
          <a className="skip" href="#main">
            Skip to the content
          </a>
          <Header />
          <Notices />
          <main id="main" tabIndex={-1} className={wide ? 'wide' : 'narrow'}>
            {wide && workbench.place}
            <Panels operation={wide ? null : workbench.place} />
          </main>
          {workbench.content}
        </GraphiQL>
      </PanelContext>
    </PlaygroundContext>
  );
}
