package transport

import (
	"context"
	"errors"
	"io"
	"time"

	"syncline/auth"
	"syncline/internal/budget"
)

// Messages of up to tinyMessage bytes are taken in before there is memory for what
// they become, so that an operation can always be ended; larger ones of up to
// smallMessage before they are parsed, and all others by steps.
const (
	tinyMessage   = 1 << 10
	smallMessage  = 16 << 10
	mediumMessage = 128 << 10
)

// readMessage reads a message; of one that is too long, or for which there is no
// memory, the beginning, and cut says so. The rest is passed over, up to
// maxSkipped times the limit: one operation that is too large is no reason to end
// all others of its socket. The caller releases the grant.
func (s *socket) readMessage(ctx context.Context) (frame int, data []byte, input *budget.Grant, cut, err error) {
	frame, r, err := s.ws.NextReader()
	if err != nil {
		return 0, nil, nil, nil, err
	}
	r = &fragments{Reader: r}
	limit := int(s.config.MaxRequestBytes)
	if !s.initialised {
		data, more, err := readTo(r, nil, limit) // bounded by the socket's read limit, too
		if more {
			cut = errTooLong
		}
		return frame, data, nil, cut, err
	}
	data, more, err := readTo(r, nil, min(smallMessage, limit))
	switch {
	case err != nil || !more && len(data) <= tinyMessage:
		return frame, data, nil, nil, err
	case !more:
		input, cut = s.config.Input.Acquire(ctx, budget.Input(int64(len(data))), auth.Shares(ctx)...)
	case limit <= smallMessage:
		cut = errTooLong
	default:
		data, more, input, cut, err = s.readLarge(ctx, r, data, limit)
	}
	if !more {
		input.Shrink(budget.Input(int64(len(data))))
	} else if err == nil {
		input.Release() // the client may take its time for the rest
		input = nil
		_, err = io.Copy(io.Discard, r)
	}
	if err == nil && !errors.Is(cut, errTooLong) && (cut != nil || !grow(input, data)) {
		cut = errBusy
	}
	if err != nil || cut != nil {
		input.Release()
		input = nil
	}
	return frame, data, input, cut, err
}

// readLarge reads on, as far as there is memory, and within the time that the
// largest message takes a slow client.
func (s *socket) readLarge(ctx context.Context, r io.Reader, begin []byte, limit int) (data []byte, more bool, input *budget.Grant, cut, err error) {
	medium := min(mediumMessage, limit)
	input, cut = s.config.Input.Acquire(ctx, budget.Input(int64(medium)), auth.Shares(ctx)...)
	s.expectBy(time.Now().Add(s.config.WriteTimeout + time.Duration(limit)*time.Second/minThroughput))
	defer s.expectBy(time.Time{})
	if cut != nil {
		return begin, true, input, cut, nil
	}
	var client budget.Progress
	input.Watch(&client, s.abort)
	defer input.Unwatch()
	r = client.Reader(r)
	data, more, err = readTo(r, begin, medium)
	if !more || err != nil {
		return data, more, input, nil, err
	}
	if medium < limit {
		if !input.Grow(budget.Input(int64(limit))) {
			return data, true, input, errBusy, nil
		}
		data, more, err = readTo(r, data, limit)
	}
	if more {
		cut = errTooLong
	}
	return data, more, input, cut, err
}

// expectBy sets when the message that is being read must be there.
func (s *socket) expectBy(until time.Time) {
	s.mu.Lock()
	s.readBy = until
	s.mu.Unlock()
	s.heard(0)
}

// readTo reads on behind what was read, until there are more than most bytes or
// no more.
func readTo(r io.Reader, data []byte, most int) (_ []byte, more bool, err error) {
	rest, err := io.ReadAll(io.LimitReader(r, int64(most+1-len(data))))
	if data == nil {
		data = rest
	} else {
		data = append(data, rest...)
	}
	return data, len(data) > most, err
}

// A message may come in fragments of any size, and an empty or tiny one costs as
// much as a large one. No client needs many of them.
const (
	tinyFragment = 64 // bytes, below which it is counted
	maxFragments = 4096
)

var errFragments = errors.New("the message has too many small fragments")

// fragments reads a message as long as its fragments are not too many and small.
type fragments struct {
	io.Reader
	small int
	turn  quantum
}

func (f *fragments) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if n < tinyFragment {
		f.small++
	}
	if err == nil && f.small > maxFragments {
		err = errFragments
	}
	f.turn.yield(n)
	return n, err
}

// maxSkipped is how many times as large as it may be a message is when its socket
// is closed at once, with 1009.
const maxSkipped = 16

// most is how many JSON values a message may have.
func (s *socket) most() int {
	if s.initialised {
		return maxValues
	}
	return s.config.initValues()
}
