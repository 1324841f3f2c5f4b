import { createContext } from 'react';

/** How many answers came: grows when a device may have learned something. */
export const AnsweredContext = createContext(0);
