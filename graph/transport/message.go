package transport

import (
	"errors"
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
)

// parseMessage checks all that the protocol asks of a message's form.
func parseMessage(frame int, data []byte) (message, error) {
	if frame != websocket.TextMessage {
		return message{}, errNotText
	}
	fields, err := decodeObject(data)
	if err != nil {
		return message{}, err
	}
	m := message{payload: fields["payload"]}
	m.kind, _ = fields["type"].(string)
	m.id, _ = fields["id"].(string)
	m.id = strings.Clone(m.id) // it lives as long as the operation
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
	if m.id == "" {
		return errNoID
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
