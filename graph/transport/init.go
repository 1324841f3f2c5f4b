package transport

import (
	"context"
	"errors"
	"strings"
	"time"
)

// maxCursor is how many bytes a cursor has at most that a client resumes from.
// Those of the service have less than 40.
const maxCursor = 256

// notACursor stands for what a client sent instead of one.
const notACursor = "?"

var errBadResume = errors.New("resume must map operation ids to cursors")

// initBytes bounds a message of a socket that is not let in yet: a signature, a
// certificate, and a cursor for each operation that is resumed.
func (c Config) initBytes() int64 {
	return min(c.MaxRequestBytes, 16<<10+int64(c.MaxOperations)*maxID)
}

// initValues bounds the JSON values in it. Operations that have ended may be
// left in what is resumed.
func (c Config) initValues() int { return 1000 + 4*c.MaxOperations }

// initialise lets the connection in, or not.
func (s *socket) initialise(ctx context.Context, m message) context.Context {
	if s.initialised {
		s.close(closeTooManyInitialised, "Too many initialisation requests")
		return ctx
	}
	s.initialised = true
	resume, err := resumeCursors(m.object())
	if err != nil {
		s.close(closeBadRequest, err.Error())
		return ctx
	}
	inner, err := s.config.Init(ctx, s.upgrade, m.object())
	if err != nil {
		s.refuse(err)
		return ctx
	}
	s.upgrade = nil
	if !s.acknowledge(resume) {
		return ctx
	}
	s.ws.SetReadLimit(maxSkipped * s.config.MaxRequestBytes)
	s.after(s.config.MaxAge-upTo(s.config.MaxAge/10), s.retire)
	s.timers = append(s.timers, repeat(s.config.RecheckInterval, func() bool { return s.recheck(inner) }))
	return inner
}

// initTimeout is shorter while many are not let in.
func (t *Transports) initTimeout() time.Duration {
	if t.unacknowledged.crowded() {
		return t.config.InitTimeout / 4
	}
	return t.config.InitTimeout
}

// acknowledge is false if the time for it has passed.
func (s *socket) acknowledge(resume map[string]string) bool {
	s.mu.Lock()
	s.acked = !s.closing
	s.resume = resume
	s.mu.Unlock()
	if s.acked {
		s.unacknowledged.leave(s.from)
		s.expiry.Stop()
		s.expiry = nil
		s.reply(ackMessage())
	}
	return s.acked
}

func (s *socket) expireInit() {
	s.mu.Lock()
	acked := s.acked
	s.mu.Unlock()
	if !acked {
		s.close(closeInitTimeout, "Connection initialisation timeout")
	}
}

func (s *socket) recheck(ctx context.Context) bool {
	if err := s.config.Recheck(ctx); err != nil && ctx.Err() == nil {
		s.refuse(err)
	}
	return !s.isClosing()
}

func (s *socket) refuse(err error) {
	code, reason := closeForbidden, "Forbidden"
	var closer Closer
	if errors.As(err, &closer) {
		code, reason = closer.Close()
	}
	s.close(code, clipReason(reason))
}

// resumeCursors reads connectionParams.resume. Clients leave operations in it that
// have ended: how many there may be is bounded by the message alone. A value that
// is no cursor fails its operation, not the connection.
func resumeCursors(payload map[string]any) (map[string]string, error) {
	given, ok := optional[map[string]any](payload["resume"])
	if !ok {
		return nil, errBadResume
	}
	var cursors map[string]string
	if len(given) > 0 { // most sockets would keep an empty map
		cursors = make(map[string]string, len(given))
	}
	for id, value := range given {
		if value == nil || len(id) > maxID {
			continue // no operation can have that id
		}
		cursor, ok := value.(string)
		if !ok || len(cursor) > maxCursor {
			cursor = notACursor
		}
		cursors[strings.Clone(id)] = strings.Clone(cursor) // else they keep the whole message
	}
	return cursors, nil
}
