// Package client is the Go client of Syncline: versioned records that follow
// their owner from device to device, pushed live and guarded by locks.
//
// # Who you are
//
// A [Client] acts for the owner of a private key. There is nothing else to log in
// with: each request is signed. The client corrects its clock by the server's
// when a signature counts as expired, by at most a day: see [WithClockCorrection].
//
// # Writing
//
// Each write names the revision last seen of its record; 0 creates it. If the
// record has moved on since, nothing is written and the error is a
// [*ConflictError] with the present state: merge, and write again at its
// revision.
//
//	_, err := c.Set(ctx, "note-1", data, seen)
//	if conflict, ok := errors.AsType[*client.ConflictError](err); ok {
//		data = merge(data, conflict.Current)
//	}
//
// Every write has a mutation id, so the client can try it again after a lost
// answer without writing twice. Calls are tried again, with growing pauses,
// while the service is unreachable, unavailable or too busy, until the context
// ends: give it a deadline. What the service refuses is not tried again, nor is a
// write that is older than the service remembers mutation ids: [ErrTooOldToRetry].
//
// # Following
//
// [Client.All] reads the feed up to its present end, [Client.Follow] goes on from
// a cursor for as long as you like. Apply an event, store what it changed, then
// store its cursor, in this order: whatever happens in between, following from
// the stored cursor brings the rest.
//
// # Locks
//
// [Client.AcquireLock] answers a [Lease] that renews itself until it is released.
// If it is lost, Done is closed: stop the work. Give the lease's Fence with each
// write, and a device that does not know yet that it lost the lock cannot
// overwrite the work of the next holder.
//
// # Errors
//
// Errors that the service answers are an [*Error] and one of the codes, such as
// [ErrFenced]: use errors.Is for the code and errors.As for the rest.
package client
