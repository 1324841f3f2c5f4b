package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/graph/body"
	"syncline/internal/budget"
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
	// refused says what is wrong with the operation of a subscribe message whose
	// id is known: its client is told, and the socket goes on.
	refused error
	size    int           // of the message, in bytes
	input   *budget.Grant // the memory of the message and what it became
}

var (
	errNotText   = errors.New("messages are text")
	errNoType    = errors.New("a message has a type")
	errNoID      = errors.New("the message needs an id")
	errNoPayload = errors.New("the payload must be an object")
	errBusy      = errors.New("no memory is left for it")
	errTooLong   = errors.New("it is too large: see maxRequestBytes of limits")
	errLongID    = fmt.Errorf("an id has at most %d bytes", maxID)
)

// maxID is how many bytes an operation's id has at most: the server keeps it,
// and repeats it in every event. Clients use numbers or UUIDs.
const maxID = 128

// parseMessage checks all that the protocol asks of a message's form, and that
// it has no more than a number of JSON values. cut is why data is not all of it, or nil.
func parseMessage(frame int, data []byte, most int, cut error) (message, error) {
	if frame != websocket.TextMessage {
		return message{}, errNotText
	}
	var fields map[string]any
	err := cut
	if err == nil {
		fields, err = decodeObject(data, most)
	}
	if err != nil {
		id, ok := subscribeID(data)
		if !ok {
			return message{}, err
		}
		m := message{kind: "subscribe", id: id, refused: err}
		return m, requireID(m)
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
			m.refused = errNoPayload
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

// subscribeID finds the id of a subscribe message that cannot be taken as a
// whole, where the id and the type can be read.
func subscribeID(data []byte) (id string, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return "", false
	}
	var kind string
	for id == "" || kind == "" {
		name, err := dec.Token()
		if err != nil {
			return "", false
		}
		switch name {
		case "id":
			err = dec.Decode(&id)
		case "type":
			err = dec.Decode(&kind)
		default:
			err = dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return "", false
		}
	}
	damaged := strings.ContainsRune(id, utf8.RuneError) // perhaps: the client would not know it again
	return id, kind == "subscribe" && !damaged
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

// frame is a message on its way: JSON with its data, which is large and becomes
// base64 only as it is sent, between what comes before and after.
type frame struct {
	head  []byte
	json  []byte
	blobs *body.Blobs
	tail  []byte
}

// size is how many bytes are sent.
func (f frame) size() int {
	if f.blobs == nil {
		return len(f.head)
	}
	return len(f.head) + f.blobs.Len(f.json) + len(f.tail)
}

// bytes is the message in one piece.
func (f frame) bytes() []byte {
	if f.blobs == nil {
		return f.head
	}
	return append(f.blobs.Append(f.head, f.json), f.tail...)
}

// What the server sends.

func ackMessage() frame { return frame{head: []byte(`{"type":"connection_ack"}`)} }

func pongMessage(payload any) frame {
	if payload == nil {
		return frame{head: []byte(`{"type":"pong"}`)}
	}
	return frame{head: append(appendMember([]byte(`{"type":"pong"`), "payload", encode(payload)), '}')}
}

// nextMessage is written when it is sent, see frame.
func nextMessage(id string, resp *graphql.Response, blobs *body.Blobs) frame {
	return frame{appendHead(withPayload("next", id), resp), resp.Data, blobs, []byte("}}")}
}

func errorMessage(id string, errs gqlerror.List) frame {
	return frame{head: append(append(withPayload("error", id), encode(errs)...), '}')}
}

func completeMessage(id string) frame {
	return frame{head: append(appendMember([]byte(`{"type":"complete"`), "id", encode(id)), '}')}
}

func withPayload(kind, id string) []byte {
	buf := append([]byte(`{"type":"`), kind...)
	buf = append(buf, '"')
	return append(appendMember(buf, "id", encode(id)), `,"payload":`...)
}
