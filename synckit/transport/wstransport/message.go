package wstransport

import (
	"syncline/synckit/transport/internal/wire"
)

// subprotocol names the messages below.
const subprotocol = "synckit.v1"

// message is all that goes over a connection, as one JSON text each. A client
// asks with push, pull or follow under an id of its choice, and gets pushed, page
// or fault under the same.
type message struct {
	// Hello is the server's first message.
	Hello *hello `json:"hello,omitempty"`
	ID    int64  `json:"id,omitempty"`

	Push *push  `json:"push,omitempty"`
	Pull *query `json:"pull,omitempty"`
	// Follow asks for pages from a cursor on, as events come; without cursor, from
	// the end: the first page is then empty. The next page is sent once Next asks
	// for it, so that a slow client holds nothing up but itself.
	Follow *query `json:"follow,omitempty"`
	Next   bool   `json:"next,omitempty"`
	Stop   bool   `json:"stop,omitempty"` // ends a Follow

	Pushed *wire.PushAnswer `json:"pushed,omitempty"`
	Page   *page            `json:"page,omitempty"`
	Fault  *wire.Fault      `json:"fault,omitempty"`
}

// hello tells a client what the server takes.
type hello struct {
	MaxMessageBytes int `json:"max_message_bytes"`
	MaxEvents       int `json:"max_events"`
}

type push struct {
	Events []wire.Event `json:"events"`
	// After is the cursor to which the client has read, where it wants to know the one
	// after its events.
	After *string `json:"after,omitempty"`
}

type query struct {
	Cursor string `json:"cursor,omitempty"`
	Since  string `json:"since,omitempty"` // a version
	Limit  int    `json:"limit,omitempty"`
}

type page struct {
	Events []wire.Received `json:"events,omitempty"`
	Cursor string          `json:"cursor,omitempty"`
	More   bool            `json:"more,omitempty"`
}
