import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';

import { useEffect } from 'react';

import { useDevice } from './context.ts';

/** Sends the operation, or ends the subscription that runs. It belongs to its device, and ends when another takes over. */
export function RunButton() {
  const device = useDevice();
  const { run, stop } = useGraphiQLActions();
  const running = useGraphiQL((state) => state.isFetching || Boolean(state.subscription));
  useEffect(() => stop, [device, stop]);
  return (
    <div className="run">
      <button type="button" className="primary" onClick={running ? stop : run}>
        <span aria-hidden="true">{running ? '■' : '▶'}</span> {running ? 'Stop' : 'Run'}
      </button>
      <span className="quiet run-as">
        {`as ${device.person.name.toLowerCase()}, ${device.name.toLowerCase()}`}
      </span>
    </div>
  );
}
