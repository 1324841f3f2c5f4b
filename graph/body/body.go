// Package body sends the body of an answer: its JSON, and the data of records
// in it, which becomes base64 only as it goes out, a piece at a time. An answer
// takes no second copy of the records that it holds, and what is encoded is
// sent while it is in the processor's cache.
package body

import (
	"bufio"
	"context"
	"io"
	"slices"
	"sync"

	"syncline/graph/scalar"
)

// Blobs are the data that an answer's JSON leaves out: where each would stand
// is an empty string. The zero value has none. Not for use by several
// goroutines at a time.
type Blobs struct {
	list    []blob
	encoded int
}

type blob struct {
	at   int // in the JSON, between the quotes
	data []byte
}

type contextKey struct{}

// NewContext has whatever writes objects of the answer leave their data to b.
func NewContext(ctx context.Context, b *Blobs) context.Context {
	return context.WithValue(ctx, contextKey{}, b)
}

// FromContext is nil where answers are written whole.
func FromContext(ctx context.Context) *Blobs {
	b, _ := ctx.Value(contextKey{}).(*Blobs)
	return b
}

// Add notes what belongs between the quotes at an offset, which is behind that
// of all before. data must stay as it is until it is sent.
func (b *Blobs) Add(at int, data []byte) {
	if len(data) == 0 {
		return
	}
	b.list = append(b.list, blob{at, data})
	b.encoded += scalar.Base64Len(len(data))
}

// Len is how long the JSON is with the data in it, in bytes.
func (b *Blobs) Len(json []byte) int { return len(json) + b.encoded }

// Held is about how many bytes of memory the data takes.
func (b *Blobs) Held() int { return b.encoded/4*3 + len(b.list)*blobBytes }

// blobBytes is what a blob takes beside its data.
const blobBytes = 32

// Append writes the JSON with the data in it behind what is there.
func (b *Blobs) Append(to, json []byte) []byte {
	to = slices.Grow(to, b.Len(json))
	from := 0
	for _, blob := range b.list {
		to = scalar.AppendBase64(append(to, json[from:blob.at]...), blob.data)
		from = blob.at
	}
	return append(to, json[from:]...)
}

// Reset forgets the data, for the next answer of the same operation.
func (b *Blobs) Reset() {
	clear(b.list)
	b.list, b.encoded = b.list[:0], 0
}

// pieceSize is what is encoded before it is sent: large enough that calls of
// the system are few, and small enough for a processor's cache.
const pieceSize = 64 << 10

// pieces are of all answers, as memory for one of its own is slow to come by.
var pieces = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, pieceSize) }}

// Send writes the JSON with the data in it, between what comes before and after.
func (b *Blobs) Send(to io.Writer, before, json, after []byte) error {
	w := pieces.Get().(*bufio.Writer)
	w.Reset(to)
	_, _ = w.Write(before) // the first error stays
	b.write(w, json)
	_, _ = w.Write(after)
	err := w.Flush()
	if err == nil {
		// Only then: HTTP/2 may go on reading what it could not send.
		w.Reset(nil)
		pieces.Put(w)
	}
	return err
}

func (b *Blobs) write(w *bufio.Writer, json []byte) {
	from := 0
	for _, blob := range b.list {
		_, _ = w.Write(json[from:blob.at])
		from = blob.at
		if writeBase64(w, blob.data) != nil {
			return
		}
	}
	_, _ = w.Write(json[from:])
}

// writeBase64 encodes in place, as much as there is room for.
func writeBase64(w *bufio.Writer, data []byte) error {
	for len(data) > 0 {
		n := min(len(data), w.Available()/4*3)
		if n == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
			continue
		}
		if _, err := w.Write(scalar.AppendBase64(w.AvailableBuffer(), data[:n])); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
