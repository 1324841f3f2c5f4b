// Package httptransport syncs over HTTP: NewTransport is the client's side,
// NewSyncHandler serves a store.
//
// # The API
//
// POST /push takes a JSON array of events, each {"event": {"id", "type",
// "aggregate_id", "data", "metadata"}, "version": "text"}. 200 says that all are
// stored durably. 422 says that some are refused for good, 503 that the rest is
// to be sent again; then the body tells what became of each:
//
//	{"stored": ["id"], "refused": {"id": {"code": "EVENT_ID_REUSED"}}, "error": {"code": "UNAVAILABLE"}}
//
// GET /pull?since=version answers the events after a version as an array of the
// same shape; without since, all. GET /pull?cursor=text&limit=n reads by cursor,
// which is exact whatever the versions are; an empty one is the beginning. The
// headers Synckit-Cursor and Synckit-More tell where to go on and whether there
// is more. &wait=seconds holds the answer back until there is an event: so a
// client is woken, and resumes where it was. GET /pull?from=end answers the
// cursor of the present end.
//
// Bodies may be gzip both ways. Errors have a body {"error": {"code", "message"}}
// with a code of package errors: 400 what cannot be read, 404, 405, 410 a cursor
// of another log, 413 too large, 415 not JSON or another encoding, 503 with
// Retry-After what passes.
package httptransport
