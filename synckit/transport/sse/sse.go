// Package sse tells of a log's events by Server-Sent Events: one HTTP answer that goes on,
// which passes where WebSockets do not, and which browsers read as they are.
//
// A stream is a GET with a cursor, and each message carries the cursor after it:
//
//	GET /sse?cursor={"kind":"integer","data":7}
//
//	id: n3rx.MTI.4f1c
//	data: {"events":[{"event":{...},"version":"8"}],"next_cursor":{"kind":"log","data":"n3rx.MTI.4f1c"}}
//
// A stream without a cursor begins at the log's beginning, one with from=end at its end. Who
// comes back with a cursor, or with Last-Event-ID as browsers do, misses nothing. A comment
// every few seconds shows that the line lives.
//
// It goes one way. A manager pushes and pulls by another transport, and is woken by this
// one: see Over.
package sse

import (
	"context"
	"encoding/json"
	"fmt"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
	"syncline/synckit/version"
)

// KindLog is the kind of the cursors that a server makes: places in its own log.
const KindLog = "log"

// LogCursor is a place in a server's log. Only that server can read it.
type LogCursor string

// Kind implements cursor.Cursor.
func (LogCursor) Kind() string { return KindLog }

type logCodec struct{}

func (logCodec) Kind() string { return KindLog }

func (logCodec) Marshal(c cursor.Cursor) (json.RawMessage, error) {
	if text, ok := c.(LogCursor); ok {
		return json.Marshal(string(text))
	}
	return nil, fmt.Errorf("%T is another", c)
}

func (logCodec) Unmarshal(data json.RawMessage) (cursor.Cursor, error) {
	var text string
	err := json.Unmarshal(data, &text)
	return LogCursor(text), err
}

func init() { cursor.Register(logCodec{}) }

// message is what a stream carries. Fault ends it.
type message struct {
	Events     []wire.Event       `json:"events"`
	NextCursor *cursor.WireCursor `json:"next_cursor,omitempty"`
	Fault      *wire.Fault        `json:"error,omitempty"`
}

// received is a message as a client reads it.
type received struct {
	Events     []wire.Received    `json:"events"`
	NextCursor *cursor.WireCursor `json:"next_cursor"`
	Fault      *wire.Fault        `json:"error"`
}

// Over has a manager sync by a transport, and hear of what is new by a client of this
// package. Closing it closes both.
func Over(transport synckit.PagedTransport, client *Client) synckit.PagedTransport {
	return &both{PagedTransport: transport, client: client}
}

type both struct {
	synckit.PagedTransport
	client *Client
}

var (
	_ synckit.SkippingTransport = (*both)(nil)
	_ synckit.NamedTransport    = (*both)(nil)
	_ synckit.CheckingTransport = (*both)(nil)
)

// Subscribe implements synckit.Transport.
func (b *both) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	return b.client.Subscribe(ctx, handler)
}

// Peer implements synckit.NamedTransport: the transport's.
func (b *both) Peer() string {
	if named, ok := b.PagedTransport.(synckit.NamedTransport); ok {
		return named.Peer()
	}
	return ""
}

// PushAfter implements synckit.SkippingTransport, if the transport does; else end is empty.
func (b *both) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (end string, err error) {
	if skipping, ok := b.PagedTransport.(synckit.SkippingTransport); ok {
		return skipping.PushAfter(ctx, cursor, events)
	}
	return "", b.Push(ctx, events)
}

// Check implements synckit.CheckingTransport, if the transport does.
func (b *both) Check(ctx context.Context, event synckit.EventWithVersion) error {
	if checking, ok := b.PagedTransport.(synckit.CheckingTransport); ok {
		return checking.Check(ctx, event)
	}
	return nil
}

// Close implements synckit.Transport.
func (b *both) Close() error {
	err := b.client.Close()
	if closed := b.PagedTransport.Close(); err == nil {
		err = closed
	}
	return err
}

// begin is where a stream begins: a cursor of the log's own, or a version.
func begin(text string) (at string, since synckit.Version, err error) {
	if text == "" {
		return "", nil, nil
	}
	if text[0] != '{' {
		return text, nil, nil
	}
	var w cursor.WireCursor
	err = json.Unmarshal([]byte(text), &w)
	var c cursor.Cursor
	if err == nil {
		c, err = cursor.UnmarshalWire(&w)
	}
	if err == nil {
		switch c := c.(type) {
		case LogCursor:
			return string(c), nil, nil
		case cursor.IntegerCursor:
			return "", c, nil
		case cursor.VectorCursor:
			since, err = version.NewVectorClock(c.Counters)
			if err == nil {
				return "", since, nil
			}
		default:
			err = fmt.Errorf("kind %.80q does not say where to begin", c.Kind())
		}
	}
	return "", nil, errors.New(errors.InvalidVersion, "read cursor", err)
}
