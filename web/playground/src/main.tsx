import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import './style/tokens.css';
import './style/base.css';
import './style/controls.css';
import './style/layout.css';
import './style/panels.css';
import './style/editors.css';
import './cancellations.ts';
import './workers.ts';

import { createRoot } from 'react-dom/client';

import { Playground } from './model/playground.ts';
import { App } from './ui/App.tsx';

const playground = await Playground.open();
createRoot(document.getElementById('playground')!).render(<App playground={playground} />);
await playground.start();
