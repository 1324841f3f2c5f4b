import { createContext, use } from 'react';

/** Which panel is open, and how to open another. */
export interface OpenPanel {
  name: string;
  open: (name: string) => void;
}

/** The panel of a narrow screen that has the operation; a wide one shows it beside all others. */
export const OPERATION = 'Operation';

export const PanelContext = createContext<OpenPanel>({ name: OPERATION, open: () => {} });

export function usePanel(): OpenPanel {
  return use(PanelContext);
}
