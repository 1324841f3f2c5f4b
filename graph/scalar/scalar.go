// Package scalar reads and writes the API's scalars.
//
// What a client sent is read strictly, whether it stood in the document or
// among the variables: a literal arrives as Go's int64, float64, bool or
// string, a variable as json.Number, bool or string, a default of the schema as
// int or string. The errors are
// *record.InvalidError without a field, which only the caller knows.
package scalar

import (
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"syncline/record"
)

const maxInteger = int64(record.MaxRevision)

func invalid(reason string) error { return &record.InvalidError{Reason: reason} }

// MarshalRevision writes a revision.
func MarshalRevision(r record.Revision) graphql.Marshaler { return integer(int64(r)) }

// UnmarshalRevision reads a revision.
func UnmarshalRevision(v any) (record.Revision, error) {
	n, err := readInteger(v, 0, maxInteger)
	return record.Revision(n), err
}

// MarshalFenceToken writes a fence token.
func MarshalFenceToken(t record.FenceToken) graphql.Marshaler { return integer(int64(t)) }

// UnmarshalFenceToken reads a fence token.
func UnmarshalFenceToken(v any) (record.FenceToken, error) {
	n, err := readInteger(v, 0, maxInteger)
	return record.FenceToken(n), err
}

// MarshalByteCount writes a number of bytes.
func MarshalByteCount(n int64) graphql.Marshaler { return integer(n) }

// UnmarshalByteCount reads a number of bytes.
func UnmarshalByteCount(v any) (int64, error) { return readInteger(v, 0, maxInteger) }

// MarshalInt writes GraphQL's Int.
func MarshalInt(n int) graphql.Marshaler { return integer(int64(n)) }

// UnmarshalInt reads GraphQL's Int, which has 32 bits.
func UnmarshalInt(v any) (int, error) {
	n, err := readInteger(v, -1<<31, 1<<31-1)
	return int(n), err
}

func integer(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var digits [20]byte
		_, _ = w.Write(strconv.AppendInt(digits[:0], n, 10))
	})
}

func readInteger(v any, least, most int64) (int64, error) {
	n, ok := asInteger(v)
	if !ok || n < least || n > most {
		return 0, invalid("must be an integer from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

func asInteger(v any) (int64, bool) {
	switch v := v.(type) {
	case int: // a default of the schema
		return int64(v), true
	case int64:
		return v, true
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

// MarshalID writes an id.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads an id: a string, or an integer as GraphQL allows, which
// stands for its digits.
func UnmarshalID(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	n, ok := asInteger(v)
	if !ok {
		return "", invalid("must be a string")
	}
	return strconv.FormatInt(n, 10), nil
}

// MarshalString writes text.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads text; a number is none.
func UnmarshalString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", invalid("must be a string")
	}
	return s, nil
}

// UnmarshalBoolean reads true or false; null is neither, nor is a number or text.
func UnmarshalBoolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, invalid("must be true or false")
	}
	return b, nil
}

// MarshalCursor writes a position in a feed.
func MarshalCursor(c record.Cursor) graphql.Marshaler { return graphql.MarshalString(c.String()) }

// UnmarshalCursor reads a position in a feed.
func UnmarshalCursor(v any) (record.Cursor, error) {
	s, ok := v.(string)
	if !ok {
		return record.Cursor{}, invalid("must be a string")
	}
	return record.ParseCursor(s)
}

const dateTime = `"2006-01-02T15:04:05.000000Z"`

// MarshalDateTime writes an instant.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(make([]byte, 0, len(dateTime)), dateTime))
	})
}

// UnmarshalDateTime reads an instant.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, invalid("must be a time as RFC 3339 has it")
	}
	return t.UTC(), nil
}
