// Package object writes the objects of the API that are many: records, pages
// of them, changes, and what writes answer.
//
// gqlgen resolves each field of each object by itself, which costs a page of
// whole records some 100,000 allocations. Here a selection is collected once,
// by gqlgen's own rules, and the objects are written straight into the answer.
// That is possible because their fields cannot fail and take no arguments.
package object

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/feed"
	"syncline/graph/scalar"
	"syncline/record"
)

// Record is a record.Record that writes itself.
type Record record.Record

// ChangePage is a record.Page that writes itself.
type ChangePage struct {
	Records []Record
	Cursor  record.Cursor
	HasMore bool
	Head    record.Revision
}

// RecordChange is a feed.Event that writes itself.
type RecordChange struct {
	Kind   feed.EventKind
	Record *Record
	Cursor record.Cursor
}

// NewChangePage makes a page, of the same records.
func NewChangePage(page record.Page) *ChangePage {
	records := make([]Record, len(page.Records))
	for i := range page.Records {
		records[i] = Record(page.Records[i])
	}
	return &ChangePage{Records: records, Cursor: page.Cursor, HasMore: page.HasMore, Head: page.Head}
}

// NewRecordChange makes a change, of the same record.
func NewRecordChange(event feed.Event) *RecordChange {
	return &RecordChange{Kind: event.Kind, Record: (*Record)(event.Record), Cursor: event.Cursor}
}

// MarshalGQLContext writes the fields that were selected.
func (r Record) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	return write(ctx, w, r.size(), func(b []byte, op *graphql.OperationContext, set ast.SelectionSet) []byte {
		return r.append(b, fieldsOf(op, set, "Record"))
	})
}

// MarshalGQLContext writes the fields that were selected.
func (p ChangePage) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	size := overhead
	for i := range p.Records {
		size += p.Records[i].size()
	}
	return write(ctx, w, size, p.append)
}

// MarshalGQLContext writes the fields that were selected.
func (c RecordChange) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	size := overhead
	if c.Record != nil {
		size += c.Record.size()
	}
	return write(ctx, w, size, c.append)
}

// gqlgen takes for a type that writes itself only one that reads itself, too.
var errNotInput = errors.New("object: not an input")

// UnmarshalGQLContext is never called.
func (Record) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// UnmarshalGQLContext is never called.
func (ChangePage) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// UnmarshalGQLContext is never called.
func (RecordChange) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// overhead is about what an object takes beside a record's data.
const overhead = 256

func (r *Record) size() int {
	return overhead + len(r.ID) + len(r.ClientID) + scalar.BytesLen(len(r.Data))
}

// write appends to what gqlgen hands over, which is a buffer, in place.
func write(ctx context.Context, w io.Writer, size int, object func([]byte, *graphql.OperationContext, ast.SelectionSet) []byte) error {
	var room []byte
	if buffer, ok := w.(*bytes.Buffer); ok {
		buffer.Grow(size)
		room = buffer.AvailableBuffer()
	}
	op := graphql.GetOperationContext(ctx)
	_, err := w.Write(object(room, op, selectionOf(ctx, op)))
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

// fields are those selected of an object, with their names in the answer as JSON.
type fields []field

type field struct {
	name string
	key  []byte // {"alias": or ,"alias":
	set  ast.SelectionSet
}

func fieldsOf(op *graphql.OperationContext, set ast.SelectionSet, object string) fields {
	collected := graphql.CollectFields(op, set, []string{object})
	list := make(fields, 0, len(collected))
	separator := byte('{')
	for i := range collected {
		f := field{name: collected[i].Name, set: collected[i].Selections}
		f.key = append(appendText([]byte{separator}, collected[i].Alias), ':')
		list = append(list, f)
		separator = ','
	}
	return list
}

// appendObject writes each selected field's value by value.
func (f fields) appendObject(b []byte, object string, value func(b []byte, f *field) []byte) []byte {
	if len(f) == 0 { // all of them skipped
		return append(b, "{}"...)
	}
	for i := range f {
		b = append(b, f[i].key...)
		if f[i].name == "__typename" {
			b = appendText(b, object)
		} else {
			b = value(b, &f[i])
		}
	}
	return append(b, '}')
}

func (p *ChangePage) append(b []byte, op *graphql.OperationContext, set ast.SelectionSet) []byte {
	return fieldsOf(op, set, "ChangePage").appendObject(b, "ChangePage", func(b []byte, f *field) []byte {
		switch f.name {
		case "records":
			return appendRecords(b, fieldsOf(op, f.set, "Record"), p.Records)
		case "cursor":
			return appendText(b, p.Cursor.String())
		case "hasMore":
			return strconv.AppendBool(b, p.HasMore)
		case "head":
			return strconv.AppendInt(b, int64(p.Head), 10)
		}
		panic("object: ChangePage has no field " + f.name)
	})
}

func appendRecords(b []byte, selected fields, records []Record) []byte {
	b = append(b, '[')
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = records[i].append(b, selected)
	}
	return append(b, ']')
}

func (c *RecordChange) append(b []byte, op *graphql.OperationContext, set ast.SelectionSet) []byte {
	return fieldsOf(op, set, "RecordChange").appendObject(b, "RecordChange", func(b []byte, f *field) []byte {
		switch f.name {
		case "kind":
			return appendText(b, kindName(c.Kind))
		case "record":
			return appendOptionalRecord(b, fieldsOf(op, f.set, "Record"), c.Record)
		case "cursor":
			return appendText(b, c.Cursor.String())
		}
		panic("object: RecordChange has no field " + f.name)
	})
}

func appendOptionalRecord(b []byte, selected fields, r *Record) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	return r.append(b, selected)
}

func kindName(kind feed.EventKind) string {
	if kind == feed.CaughtUp {
		return "CAUGHT_UP"
	}
	return "CHANGED"
}

func (r *Record) append(b []byte, selected fields) []byte {
	return selected.appendObject(b, "Record", func(b []byte, f *field) []byte {
		switch f.name {
		case "id":
			return appendText(b, r.ID)
		case "data":
			return appendData(b, r)
		case "revision":
			return strconv.AppendInt(b, int64(r.Revision), 10)
		case "schemaVersion":
			return appendText(b, r.SchemaVersion)
		case "deleted":
			return strconv.AppendBool(b, r.Deleted)
		case "clientId":
			return appendOptional(b, r.ClientID)
		case "updatedAt":
			return r.UpdatedAt.UTC().AppendFormat(b, dateTime)
		}
		panic("object: Record has no field " + f.name)
	})
}

const dateTime = `"2006-01-02T15:04:05.000000Z"`

// appendData is null for tombstones only.
func appendData(b []byte, r *Record) []byte {
	if r.Deleted {
		return append(b, "null"...)
	}
	return scalar.AppendBytes(b, r.Data)
}

func appendOptional(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
}

// appendText writes a JSON string as gqlgen does.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	w := bytes.NewBuffer(b)
	graphql.MarshalString(s).MarshalGQL(w)
	return w.Bytes()
}
