package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"syncline/internal/budget"
	"syncline/internal/clientaddr"
)

const (
	// maxUnsignedBytes bounds a body that nobody signed. The introspection of
	// GraphiQL has 2 kB.
	maxUnsignedBytes = 16 << 10
	// maxHint is how far a request's Content-Length is believed before the body
	// is there, if no memory was granted for it.
	maxHint = 64 << 10

	// A body comes within bodyGrace and the time that it takes at minThroughput
	// bytes a second.
	bodyGrace     = 5 * time.Second
	minThroughput = 64 << 10
)

// Shares are those that the request of a context has in what requests share: of
// its owner and its address, or of its address and all that nobody signed.
func Shares(ctx context.Context) []budget.Share {
	if input := budget.FromContext(ctx); input != nil { // they are the same
		return input.Shares()
	}
	p, signed := FromContext(ctx)
	return sharesOf(ctx, p, signed)
}

func sharesOf(ctx context.Context, p Principal, signed bool) []budget.Share {
	shares := make([]budget.Share, 0, 2)
	if signed {
		shares = append(shares, budget.Share{Name: string(p.Key[:]), Part: 4})
	} else {
		shares = append(shares, budget.Share{Name: "unsigned", Part: 8})
	}
	network := clientaddr.NetworkFromContext(ctx)
	switch {
	case network == "":
		return shares
	case !signed:
		return append(shares, budget.Share{Name: "unsigned " + network, Part: 32})
	default:
		return append(shares, budget.Share{Name: network, Part: 2})
	}
}

// ReadBody reads the body, of at most limit bytes, of a request whose signature, if
// it has one, stands in there: once there is memory for it and for what it becomes.
// The caller releases the grant. The body is empty if there is none. Errors are of
// type *Error.
func (v *Verifier) ReadBody(w http.ResponseWriter, r *http.Request, limit int64) (io.ReadCloser, *budget.Grant, error) {
	body, grant, err := v.readBody(w, r, limit, sharesOf(r.Context(), Principal{}, false))
	if err != nil {
		return nil, nil, asError(err)
	}
	if body == nil {
		return http.NoBody, grant, nil
	}
	return body, grant, nil
}

// arrived is a body whose data is there, so that to read it waits for nobody.
type arrived struct {
	body
	io.Closer
}

// Close implements io.Closer.
func (a *arrived) Close() error { return a.Closer.Close() }

// Arrived is a body all of whose data has been read ahead; rest closes what that came from. ReadBody takes the
// data as it is: it must stay what it is until the request is over.
func Arrived(data []byte, rest io.Closer) io.ReadCloser { return &arrived{body{data}, rest} }

// readBody reads a request's body once there is memory for it and for what it
// becomes. The caller releases the grant. The body is nil if there is none.
func (v *Verifier) readBody(w http.ResponseWriter, r *http.Request, limit int64, shares []budget.Share) (*body, *budget.Grant, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil, nil
	}
	if r.ContentLength > limit {
		return nil, nil, tooLarge(limit)
	}
	length := r.ContentLength
	if length < 0 { // not known: the worst
		length = limit
	}
	grant, err := v.opts.Budget.Acquire(r.Context(), budget.Input(length), shares...)
	if err != nil {
		return nil, nil, busy(err)
	}
	if there, ok := r.Body.(*arrived); ok { // all of it, for its length is known
		return &body{there.Take()}, grant, nil
	}
	data, err := receive(w, r, limit, length, grant)
	if err != nil {
		grant.Release()
		return nil, nil, err
	}
	grant.Shrink(budget.Input(int64(len(data)))) // its length may not have been known
	return &body{data}, grant, nil
}

// receive reads a body, of which length bytes or fewer are expected, within its
// time.
func receive(w http.ResponseWriter, r *http.Request, limit, length int64, grant *budget.Grant) ([]byte, error) {
	a := &arrival{control: http.NewResponseController(w), from: http.MaxBytesReader(w, r.Body, limit)}
	_ = a.control.SetReadDeadline(time.Now().Add(bodyGrace + time.Duration(length)*time.Second/minThroughput)) // what wraps the writer may not know of deadlines
	grant.Watch(&a.client, a.cut)
	a.data.Grow(int(min(max(r.ContentLength, 0), maxHint)) + bytes.MinRead)
	_, err := a.data.ReadFrom(a)
	grant.Unwatch()
	if a.isCut.Load() { // also if all came just then: the connection's deadline has passed
		return nil, busy(budget.ErrFull)
	}
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, badInput(http.StatusBadRequest, "the request's body could not be read to its end")
	}
	return a.data.Bytes(), nil
}

// arrival is a body on its way in.
type arrival struct {
	from    io.Reader
	data    bytes.Buffer
	control *http.ResponseController
	client  budget.Progress
	isCut   atomic.Bool
}

// Read notes what comes as progress.
func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.client.Made()
	return n, err
}

// cut ends a wait for more.
func (a *arrival) cut() {
	a.isCut.Store(true)
	_ = a.control.SetReadDeadline(time.Now())
}

// body is a request's body that was read. It is let go of as it is read again,
// for a request may last.
type body struct{ data []byte }

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n := copy(p, b.data)
	b.data = b.data[n:]
	if len(b.data) == 0 {
		b.data = nil
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Take is all that was not read yet, which is then the caller's.
func (b *body) Take() []byte {
	data := b.data
	b.data = nil
	return data
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.data = nil
	return nil
}

func tooLarge(limit int64) *Error {
	if limit == maxUnsignedBytes {
		return badInput(http.StatusRequestEntityTooLarge, "a request without a signature has at most 16 KiB")
	}
	return badInput(http.StatusRequestEntityTooLarge, "the request is too large: see maxRequestBytes of limits")
}

// busy is the refusal of a request for which there is no memory now.
func busy(cause error) *Error {
	err := unavailable("the server has too much to do: try again", cause)
	err.RetryAfter = time.Second
	return err
}
