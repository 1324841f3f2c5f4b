package object

import (
	"bytes"
	"context"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/graph/body"
	"syncline/graph/scalar"
)

// answer is what an object is written into.
type answer struct {
	op    *graphql.OperationContext
	set   ast.SelectionSet
	to    io.Writer
	room  *bytes.Buffer // is to, if that is a buffer
	start int           // where in the answer's JSON the object begins
	blobs *body.Blobs   // takes the records' data; nil if they are written whole
}

func newAnswer(ctx context.Context, w io.Writer) *answer {
	op := graphql.GetOperationContext(ctx)
	a := &answer{op: op, set: selectionOf(ctx, op), to: w}
	if buffer, ok := w.(*bytes.Buffer); ok { // so it is, unless gqlgen changes
		a.room, a.start, a.blobs = buffer, buffer.Len(), body.FromContext(ctx)
	}
	return a
}

// overhead is about what an object takes beside its texts and data.
const overhead = 160

// sizeOf is about what a record takes.
func (a *answer) sizeOf(r *Record) int {
	size := overhead + len(r.ID) + len(r.SchemaVersion) + len(r.ClientID)
	if a.blobs == nil {
		size += scalar.BytesLen(len(r.Data))
	}
	return size
}

// write has an object appended to what gqlgen hands over, in place.
func (a *answer) write(size int, object func([]byte, *answer, ast.SelectionSet) []byte) error {
	var room []byte
	if a.room != nil {
		a.room.Grow(size)
		room = a.room.AvailableBuffer()
	}
	_, err := a.to.Write(object(room, a, a.set))
	return err
}

// selectionOf is that of the field, or of the list that the object is in. What
// a subscription sends is written outside of its field, of which there is one.
func selectionOf(ctx context.Context, op *graphql.OperationContext) ast.SelectionSet {
	for field := graphql.GetFieldContext(ctx); field != nil; field = field.Parent {
		if field.Field.Field != nil {
			return field.Field.Selections
		}
	}
	root := graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Subscription"})
	return root[0].Selections
}

// appendData is null for tombstones only.
func (a *answer) appendData(b []byte, r *Record) []byte {
	switch {
	case r.Deleted:
		return append(b, "null"...)
	case a.blobs == nil:
		return scalar.AppendBytes(b, r.Data)
	}
	b = append(b, '"')
	a.blobs.Add(a.start+len(b), r.Data)
	return append(b, '"')
}
