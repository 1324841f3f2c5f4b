package transport

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/graph/body"
)

// Close codes of graphql-transport-ws.
const (
	closeBadRequest         = 4400
	closeUnauthorized       = 4401
	closeForbidden          = 4403
	closeBadSubprotocol     = 4406
	closeInitTimeout        = 4408
	closeSubscriberExists   = 4409
	closeTooManyInitialised = 4429
)

// message is what a client sends.
type message struct {
	kind    string
	id      string
	payload any
}

var (
	errNotText   = errors.New("messages are text")
	errNoType    = errors.New("a message has a type")
	errNoID      = errors.New("the message needs an id")
	errNoPayload = errors.New("the payload must be an object")
	errLongID    = fmt.Errorf("an id has at most %d bytes", maxID)
)

// maxID is how many bytes an operation's id has at most: the server keeps it,
// and repeats it in every event. Clients use numbers or UUIDs.
const maxID = 128

// parseMessage checks all that the protocol asks of a message's form, and that
// it has no more than a number of JSON values.
func parseMessage(frame int, data []byte, most int) (message, error) {
	if frame != websocket.TextMessage {
		return message{}, errNotText
	}
	fields, err := decodeObject(data, most)
	if err != nil {
		return message{}, err
	}
	m := message{payload: fields["payload"]}
	m.kind, _ = fields["type"].(string)
	m.id, _ = fields["id"].(string)
	m.id = strings.Clone(m.id[:min(len(m.id), maxID+1)]) // it lives as long as the operation
	_, payloadIsObject := m.payload.(map[string]any)
	switch m.kind {
	case "connection_init", "ping", "pong":
		if m.payload != nil && !payloadIsObject {
			return m, errNoPayload
		}
	case "subscribe":
		if !payloadIsObject {
			return m, errNoPayload
		}
		return m, requireID(m)
	case "complete":
		return m, requireID(m)
	case "":
		return m, errNoType
	default:
		return m, errors.New("unknown message type " + strconv.QuoteToASCII(clip(m.kind)))
	}
	return m, nil
}

func requireID(m message) error {
	switch {
	case m.id == "":
		return errNoID
	case len(m.id) > maxID:
		return errLongID
	}
	return nil
}

func (m message) object() map[string]any {
	object, _ := m.payload.(map[string]any)
	return object
}

// What the server sends.

func ackMessage() []byte { return []byte(`{"type":"connection_ack"}`) }

func pongMessage(payload any) []byte {
	if payload == nil {
		return []byte(`{"type":"pong"}`)
	}
	return append(appendMember([]byte(`{"type":"pong"`), "payload", encode(payload)), '}')
}

func nextMessage(id string, resp *graphql.Response, blobs *body.Blobs) []byte {
	return append(appendResponse(withPayload("next", id), resp, blobs), '}')
}

func errorMessage(id string, errs gqlerror.List) []byte {
	return append(append(withPayload("error", id), encode(errs)...), '}')
}

func completeMessage(id string) []byte {
	return append(appendMember([]byte(`{"type":"complete"`), "id", encode(id)), '}')
}

func withPayload(kind, id string) []byte {
	buf := append([]byte(`{"type":"`), kind...)
	buf = append(buf, '"')
	return append(appendMember(buf, "id", encode(id)), `,"payload":`...)
}
