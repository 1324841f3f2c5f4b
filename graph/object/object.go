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
	"slices"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/feed"
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
	a := newAnswer(ctx, w)
	return a.write(a.sizeOf(&r), func(b []byte, a *answer, set ast.SelectionSet) []byte {
		return r.append(b, a, fieldsOf(a.op, set, "Record"))
	})
}

// MarshalGQLContext writes the fields that were selected.
func (p ChangePage) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	a := newAnswer(ctx, w)
	size := overhead
	for i := range p.Records {
		size += a.sizeOf(&p.Records[i])
	}
	return a.write(size, p.append)
}

// MarshalGQLContext writes the fields that were selected.
func (c RecordChange) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	a := newAnswer(ctx, w)
	size := overhead
	if c.Record != nil {
		size += a.sizeOf(c.Record)
	}
	return a.write(size, c.append)
}

// gqlgen takes for a type that writes itself only one that reads itself, too.
var errNotInput = errors.New("object: not an input")

// UnmarshalGQLContext is never called.
func (Record) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// UnmarshalGQLContext is never called.
func (ChangePage) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// UnmarshalGQLContext is never called.
func (RecordChange) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// fields are those selected of an object, with their names in the answer as JSON.
type fields []field

type field struct {
	name string
	key  []byte // {"alias": or ,"alias":
	set  ast.SelectionSet
}

func fieldsOf(op *graphql.OperationContext, set ast.SelectionSet, object string) fields {
	collected := collect(op, set, object)
	list := make(fields, len(collected))
	size := 0
	for i := range collected {
		size += len(collected[i].Alias) + len(`,"":`)
	}
	keys := make([]byte, 0, size) // of all, which a longer one leaves for its own
	separator := byte('{')
	for i := range collected {
		begin := len(keys)
		keys = append(appendText(append(keys, separator), collected[i].Alias), ':')
		list[i] = field{name: collected[i].Name, key: keys[begin:], set: collected[i].Selections}
		separator = ','
	}
	return list
}

// collect is gqlgen's collection of a selection, which it makes for the general case,
// and keeps: both are not needed where each field stands there once, and unconditionally.
func collect(op *graphql.OperationContext, set ast.SelectionSet, object string) []graphql.CollectedField {
	if len(set) > maxPlain {
		return graphql.CollectFields(op, set, []string{object})
	}
	plain := make([]graphql.CollectedField, 0, len(set))
	for _, selection := range set {
		f, ok := selection.(*ast.Field)
		if !ok || len(f.Directives) > 0 || slices.ContainsFunc(plain, func(other graphql.CollectedField) bool { return other.Alias == f.Alias }) {
			return graphql.CollectFields(op, set, []string{object})
		}
		plain = append(plain, graphql.CollectedField{Field: f, Selections: f.SelectionSet})
	}
	return plain
}

// maxPlain bounds what each field is compared with.
const maxPlain = 16

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

func (p *ChangePage) append(b []byte, a *answer, set ast.SelectionSet) []byte {
	return fieldsOf(a.op, set, "ChangePage").appendObject(b, "ChangePage", func(b []byte, f *field) []byte {
		switch f.name {
		case "records":
			return appendRecords(b, a, fieldsOf(a.op, f.set, "Record"), p.Records)
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

func appendRecords(b []byte, a *answer, selected fields, records []Record) []byte {
	b = append(b, '[')
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = records[i].append(b, a, selected)
	}
	return append(b, ']')
}

func (c *RecordChange) append(b []byte, a *answer, set ast.SelectionSet) []byte {
	return fieldsOf(a.op, set, "RecordChange").appendObject(b, "RecordChange", func(b []byte, f *field) []byte {
		switch f.name {
		case "kind":
			return appendText(b, kindName(c.Kind))
		case "record":
			return appendOptionalRecord(b, a, f.set, c.Record)
		case "cursor":
			return appendText(b, c.Cursor.String())
		}
		panic("object: RecordChange has no field " + f.name)
	})
}

func appendOptionalRecord(b []byte, a *answer, set ast.SelectionSet, r *Record) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	return r.append(b, a, fieldsOf(a.op, set, "Record"))
}

func kindName(kind feed.EventKind) string {
	if kind == feed.CaughtUp {
		return "CAUGHT_UP"
	}
	return "CHANGED"
}

func (r *Record) append(b []byte, a *answer, selected fields) []byte {
	return selected.appendObject(b, "Record", func(b []byte, f *field) []byte {
		switch f.name {
		case "id":
			return appendText(b, r.ID)
		case "data":
			return a.appendData(b, r)
		case "revision":
			return strconv.AppendInt(b, int64(r.Revision), 10)
		case "schemaVersion":
			return appendText(b, r.SchemaVersion)
		case "deleted":
			return strconv.AppendBool(b, r.Deleted)
		case "clientId":
			return appendOptional(b, r.ClientID)
		case "updatedAt":
			return appendTime(b, r.UpdatedAt)
		}
		panic("object: Record has no field " + f.name)
	})
}

// appendTime writes microseconds always. RFC3339 is the one layout that package
// time has a fast way for.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339)
	b[len(b)-1] = '.' // Z
	for unit := 100 * time.Millisecond; unit >= time.Microsecond; unit /= 10 {
		b = append(b, '0'+byte(t.Nanosecond()/int(unit)%10))
	}
	return append(b, `Z"`...)
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
