import type { SynclineError } from '@syncline/client';

/** An error in words for whoever uses the page: what happened, and what to do. */
export interface Advice {
  title: string;
  text: string;
}

const ADVICE: Readonly<Record<string, (error: SynclineError) => Advice>> = {
  UNREACHABLE: () => ({
    title: 'The server cannot be reached',
    text: 'Check that it runs and that this device is online, then try again. The live feed comes back by itself.',
  }),
  NOT_SYNCLINE: ({ message }) => ({ title: 'This is not Syncline that answers', text: message }),
  UNAUTHENTICATED: ({ message }) => ({
    title: 'The server refuses this signature',
    text: `${message}. A name that the server does not know is added to its PUBLIC_AUTHORITIES.`,
  }),
  SIGNATURE_EXPIRED: () => ({
    title: 'This device’s clock is off',
    text: 'The server told its time and is still not content: set the clock of this device, then try again.',
  }),
  FORBIDDEN: ({ message }) => ({
    title: 'The server asks for an API key',
    text: `${message}. Paste the certificate that its operator gave you under Identity.`,
  }),
  UNAVAILABLE: () => ({ title: 'The server is not available right now', text: 'It runs, but a part of it is down. Try again in a moment.' }),
  RATE_LIMITED: () => ({ title: 'Too many requests', text: 'Wait a moment, then try again.' }),
  STORAGE_BLOCKED: () => ({
    title: 'This browser does not keep your key',
    text: 'The identity lasts until the page is closed or reloaded. Allow site data for this page or leave private browsing, then reload; or export the key and keep it.',
  }),
  STORAGE_FULL: () => ({
    title: 'This browser has no room for your key',
    text: 'The identity lasts until the page is closed or reloaded. Free some disk space or site data, then reload; or export the key and keep it.',
  }),
  STORAGE_EVICTED: () => ({
    title: 'This browser removed the key that it kept',
    text: 'Import the key from your copy. If you have none, make a new identity; the old one’s data is out of reach. Until then, an identity for this visit only takes its place.',
  }),
  STORAGE_CORRUPT: () => ({
    title: 'The key kept in this browser cannot be read',
    text: 'Import the key from your copy. If you have none, make a new identity; the old one’s data is out of reach. Until then, an identity for this visit only takes its place.',
  }),
};

/** What to tell about an error. */
export function advise(error: SynclineError): Advice {
  return ADVICE[error.code]?.(error) ?? { title: 'Something went wrong', text: `${error.message} (${error.code})` };
}
