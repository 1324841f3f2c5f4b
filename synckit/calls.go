package synckit

import (
	"context"
	stderrors "errors"
	"fmt"

	"syncline/synckit/errors"
)

// call runs one call of a store or transport with the options' timeout. A panic
// in it, and an error without a code, become an error of the given code: custom
// stores and transports need not know of codes.
func (m *Manager) call(ctx context.Context, op string, code errors.Code, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return ended(op, err)
	}
	limited, cancel := context.WithTimeout(ctx, m.options.Timeout)
	defer cancel()
	err := guard(op, code, func() error { return f(limited) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ended(op, err)
	case limited.Err() != nil && errors.CodeOf(err) == "":
		return errors.New(errors.Timeout, op, err)
	}
	return coded(op, code, err)
}

func (m *Manager) callStore(ctx context.Context, op string, f func(context.Context) error) error {
	return m.call(ctx, op, errors.StorageFailed, f)
}

func (m *Manager) callTransport(ctx context.Context, op string, f func(context.Context) error) error {
	return m.call(ctx, op, errors.Unavailable, f)
}

// ended is the error of a call whose caller's context has ended.
func ended(op string, err error) error {
	if errors.CodeOf(err) == "" && stderrors.Is(err, context.DeadlineExceeded) {
		return errors.New(errors.Timeout, op, err)
	}
	return err
}

// isGivenUp tells whether an error says that the caller's context was cancelled:
// it is the only one without a code.
func isGivenUp(err error) bool { return err != nil && errors.CodeOf(err) == "" }

// coded gives an error a code if it has none.
func coded(op string, code errors.Code, err error) error {
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	return errors.New(code, op, err)
}

// guard runs code that is not the library's own. A panic becomes an error.
func guard(op string, code errors.Code, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New(code, op, fmt.Errorf("panic: %v", p))
		}
	}()
	return f()
}

// passes asks the filter. Resolutions and snapshots always pass: without them the events that
// they are about would count differently here and there.
func (m *Manager) passes(e Event) (passes bool, err error) {
	if m.options.Filter == nil || e == nil || isOwnKind(e) {
		return true, nil
	}
	err = guard("filter", errors.Internal, func() error {
		passes = m.options.Filter(e)
		return nil
	})
	return passes, err
}

// admissible tells why an event may not be sent or taken; nil if it may. A
// validation that panics is a failed one.
func (m *Manager) admissible(e Event) error {
	if e == nil {
		return errors.New(errors.InvalidEvent, "validate", stderrors.New("there is no event"))
	}
	var encoded EncodedEvent
	err := guard("encode event", errors.InvalidEvent, func() (err error) {
		encoded, err = Encode(e)
		return err
	})
	if err == nil {
		err = CheckClock(e)
	}
	if err != nil || e.Type() == ResolutionType {
		return err
	}
	if size := encoded.size(); size > m.options.MaxEventBytes {
		return errors.New(errors.TooLarge, "validate",
			fmt.Errorf("%d bytes, %d are allowed", size, m.options.MaxEventBytes), errors.Metadata{"event": encoded.ID})
	}
	if m.options.Validate == nil || isOwnKind(e) {
		return nil
	}
	err = guard("validate", errors.InvalidEvent, func() error { return m.options.Validate(e) })
	return coded("validate", errors.InvalidEvent, err)
}

func (e EncodedEvent) size() int {
	return len(e.ID) + len(e.Type) + len(e.AggregateID) + len(e.Data) + len(e.Metadata)
}
