import { fromBase64, toBase64 } from '@syncline/client';
import type { Identity } from '@syncline/client';

/** What a link carries: the text of both editors, and never who runs it. */
export interface Linked {
  query: string;
  variables: string;
}

const MARK = '#operation=';

/** Longer addresses are cut by what people send them through. */
const LONGEST_LINK = 32_000;

/**
 * The address of a page that opens an operation. All of it is behind the `#`, which browsers send to no server.
 * Throws a `RangeError`, in words for the user, for what no link should carry.
 */
export function linkTo(page: string, { query, variables }: Linked, keys: readonly Identity[]): string {
  const text = JSON.stringify({ query, variables });
  if (keys.some((identity) => text.toLowerCase().includes(identity.exportHex()))) {
    throw new RangeError('A private key of yours is in this operation: whoever has the link would have the key.');
  }
  const link = new URL(MARK + toBase64(new TextEncoder().encode(text)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''), page).href;
  if (link.length > LONGEST_LINK) throw new RangeError('This is too long for a link: send the text instead.');
  return link;
}

/** What the fragment of an address carries: undefined for another fragment, null if it is damaged. */
export function readLink(fragment: string): Linked | null | undefined {
  if (!fragment.startsWith(MARK)) return undefined;
  try {
    const text = fragment.slice(MARK.length).replaceAll('-', '+').replaceAll('_', '/');
    const bytes = fromBase64(text.padEnd(Math.ceil(text.length / 4) * 4, '='));
    const { query, variables } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>;
    return typeof query === 'string' && typeof variables === 'string' ? { query, variables } : null;
  } catch {
    return null;
  }
}
