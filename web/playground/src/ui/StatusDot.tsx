import type { FeedStatus } from '../model/feed.ts';

/** A feed's status as a dot; whoever shows it says the status in words, too. */
export function StatusDot({ status }: { status: FeedStatus }) {
  return <span className="dot" data-status={status} aria-hidden="true" />;
}
