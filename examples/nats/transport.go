// Package natstransport shows how to write a transport of one's own: nodes meet
// in a JetStream stream of NATS. It passes the conformance suite, as yours can.
//
// Each event is a message under a subject of its own, made of its id. The stream
// takes only the first message of a subject, so that an event is stored once
// however often it is pushed. A cursor is a place in the stream, and the time at
// which the stream was made, which tells it from one that took its place.
package natstransport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	stderrors "errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// Transport is a synckit.PagedTransport to one stream. It is safe for concurrent
// use.
type Transport struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	stream string
	life   context.Context // ends with Close
	end    context.CancelCauseFunc
}

var (
	_ synckit.PagedTransport = (*Transport)(nil)
	_ synckit.NamedTransport = (*Transport)(nil)
)

// New makes a transport to a stream that CreateStream made. It does not own the
// connection.
func New(conn *nats.Conn, stream string) (*Transport, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, errors.New(errors.InvalidOptions, "make transport", err)
	}
	t := &Transport{conn: conn, js: js, stream: stream}
	t.life, t.end = context.WithCancelCause(context.Background())
	return t, nil
}

// CreateStream makes a stream for events, if it is not there: durable, and
// without limits that would drop any.
func CreateStream(ctx context.Context, conn *nats.Conn, stream string) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        stream,
		Subjects:    []string{stream + ".>"},
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		DenyDelete:  true,
		DenyPurge:   true,
		AllowDirect: true,
	})
	return err
}

// subject follows from an event's id, which may have any characters.
func (t *Transport) subject(eventID string) string {
	sum := sha256.Sum256([]byte(eventID))
	return t.stream + "." + hex.EncodeToString(sum[:])
}

// Peer implements synckit.NamedTransport.
func (t *Transport) Peer() string { return "nats:" + t.stream }

// Close implements synckit.Transport. It leaves the connection open.
func (t *Transport) Close() error {
	t.end(errors.New(errors.Closed, "use transport", nil))
	return nil
}

// callTimeout bounds one request to the server.
const callTimeout = 10 * time.Second

// call runs something until it ends, its context does, or the transport.
func (t *Transport) call(ctx context.Context, op string, f func(context.Context) error) error {
	if t.life.Err() != nil {
		return context.Cause(t.life)
	}
	bound, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	err := ctx.Err()
	if err == nil {
		err = f(bound)
	}
	switch {
	case err == nil, errors.CodeOf(err) != "":
		return err
	case t.life.Err() != nil:
		return context.Cause(t.life)
	case stderrors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New(errors.Timeout, op, context.Cause(ctx))
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case stderrors.Is(err, nats.ErrMaxPayload):
		return errors.New(errors.TooLarge, op, err)
	case stderrors.Is(err, nats.ErrAuthorization), stderrors.Is(err, nats.ErrPermissionViolation):
		return errors.New(errors.Unauthenticated, op, err)
	default:
		return errors.New(errors.Unavailable, op, err)
	}
}

// place is where a cursor stands.
type place struct {
	created  int64 // when the stream was made, in Unix nanoseconds
	sequence uint64
}

func (p place) String() string { return fmt.Sprintf("%d.%d", p.created, p.sequence) }

func parsePlace(text string) (place, error) {
	created, sequence, ok := strings.Cut(text, ".")
	var p place
	var err error
	if p.created, err = strconv.ParseInt(created, 10, 64); err == nil {
		p.sequence, err = strconv.ParseUint(sequence, 10, 64)
	}
	if err != nil || !ok || p.String() != text {
		return p, errors.New(errors.InvalidVersion, "read cursor", fmt.Errorf("%.50q is not a cursor", text))
	}
	return p, nil
}

// PullPage implements synckit.PagedTransport.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	var page synckit.Page
	err := t.call(ctx, "pull", func(ctx context.Context) error {
		stream, err := t.js.Stream(ctx, t.stream)
		if err != nil {
			return err
		}
		info := stream.CachedInfo()
		at := place{created: info.Created.UnixNano()}
		if since != "" {
			if at, err = resolve(since, info); err != nil {
				return err
			}
		}
		for len(page.Events)+len(page.Unreadable) < max(limit, 1) && at.sequence < info.State.LastSeq {
			// The first from there on: a sequence that was lost has no message.
			msg, err := stream.GetMsg(ctx, at.sequence+1, jetstream.WithGetMsgSubject(t.stream+".>"))
			if err != nil {
				return err
			}
			if e, err := decode(msg.Data, msg.Sequence); err == nil {
				page.Events = append(page.Events, e)
			} else { // it stands in nobody's way
				name := strconv.FormatUint(msg.Sequence, 10)
				page.Unreadable = append(page.Unreadable, synckit.Unreadable{Name: name, Event: e.Event, Err: err})
			}
			at.sequence = msg.Sequence
		}
		page.Cursor, page.More = at.String(), at.sequence < info.State.LastSeq
		return nil
	})
	if err != nil {
		return synckit.Page{}, err
	}
	return page, nil
}

// resolve checks that a cursor is of this stream.
func resolve(since string, info *jetstream.StreamInfo) (place, error) {
	at, err := parsePlace(since)
	if err == nil && (at.created != info.Created.UnixNano() || at.sequence > info.State.LastSeq) {
		err = errors.New(errors.CursorLost, "pull", stderrors.New("the stream is another"))
	}
	return at, err
}

// Pull implements synckit.Transport. Of an event without a version of its own the
// version is its place in the stream.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	var rest []synckit.EventWithVersion
	at := ""
	for {
		page, err := t.PullPage(ctx, at, 100)
		if err != nil {
			return rest, err
		}
		for _, e := range page.Events {
			if !covers(since, e.Version) {
				rest = append(rest, e)
			}
		}
		if !page.More {
			return rest, nil
		}
		at = page.Cursor
	}
}

// covers tells whether who has come to one version knows of another.
func covers(since, v synckit.Version) bool {
	if since == nil || since.IsZero() {
		return false
	}
	if causal, ok := v.(synckit.CausalVersion); ok {
		order := causal.Order(since)
		return order == synckit.Before || order == synckit.Equal
	}
	_, place := since.(cursor.IntegerCursor)
	return place && v.Compare(since) <= 0
}
