// Package synclinetransport syncs through a Syncline server: the log of an
// owner's nodes, kept by the server, pushed live to all of them. Nothing has to
// run but the server, and nobody has to log in: the owner is who has the key.
//
// Each event is a record of its own that is written once. Its id in the service
// follows from the event's, so that two nodes that push one event write one
// record. An event's encoding is at most what the server takes for a record, 64
// KiB by default; larger ones are refused. An owner's other records are left
// alone, and not read as events.
//
// A record of this package's schema that cannot be read, because somebody wrote
// it by hand or a newer release did, holds up nothing: the result of the sync has
// an error with its id and revision, it waits in the reviews, and it is pulled
// again when it changes.
package synclinetransport
