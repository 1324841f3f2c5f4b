import { SyncProvider } from '@syncline/client/react';
import { Component, StrictMode } from 'react';
import type { ReactNode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App.tsx';
import { opening } from './device.ts';
import { OfferedLink } from './LinkDevice.tsx';
import './style.css';

/** Says what went wrong, such as site data that are blocked, in place of an empty page. */
class Trouble extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="empty" role="alert">
        <p>Your notes cannot be opened: {error.message}</p>
        <button onClick={() => location.reload()}>Try again</button>
      </main>
    );
  }
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Trouble>
      <SyncProvider store={opening}>
        <App />
      </SyncProvider>
    </Trouble>
    <OfferedLink />
  </StrictMode>,
);

// Absent on plain-http pages of other machines, where everything but opening without a network works.
if ('serviceWorker' in navigator) void navigator.serviceWorker.register('/service-worker.js');
