// Package wstransport syncs over one WebSocket per client: NewTransport is the
// client's side, NewHandler serves a store. A push is acknowledged once it is
// stored, what is new is told at once, and a connection that breaks is made anew
// and goes on where it was.
package wstransport
