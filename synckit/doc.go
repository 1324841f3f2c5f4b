// Package synckit lets an app keep events locally, work offline, and sync with
// others: through any store, any transport and any way to resolve conflicts.
//
// # Model
//
// A store holds a log: events in the order in which this node came to know
// them, each with its position. An event is identified by its ID alone; storing
// it again changes nothing. So nodes that know the same events agree, whatever
// way and in whatever order they arrived.
//
// Nothing is ever taken out of a log because of a conflict; an app may have a snapshot take
// the place of old events (Manager.Compact). Where a
// ConflictResolver keeps some events and not others, the manager adds a
// resolution: an event of its own, whose ID follows from what it decides, that
// names the events that count and those that do not. It syncs like any other.
// Effective applies resolutions to an aggregate's events and is what an app
// builds its state from.
//
// # Conflicts
//
// An event written here that the peer's log was not yet seen to hold is in
// conflict with an event of the same aggregate that is pulled before it is: neither
// writer knew of the other. Of two nodes with such events, the one whose event
// stands later in the peer's log resolves; the other learns of it. Where events
// carry a CausalVersion, such as a vector clock, they must be concurrent as well.
// Nodes that sync with several peers at once should have such versions: the
// peer's log alone then does not show all that a writer knew.
//
// A conflict that is left to a person (ErrReview) waits in the log's reviews, with
// what comes for its aggregate later, until Decide; everything else goes on.
//
// What was decided can be looked up (Manager.Decisions), asked about again (Replay) and
// undone by new events (RollBack).
//
// # Syncing
//
// A SyncManager keeps one cursor per peer and direction: where in the peer's
// log to pull from, and up to where in its own log it has pushed. A cursor is
// stored in the same transaction as the events that it covers, so that a process
// killed at any instant goes on without loss and without applying anything
// twice.
package synckit
