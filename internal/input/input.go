// Package input says what is wrong with what a client sent.
package input

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Error says which input is not acceptable, and why. Both parts are meant for
// the client.
type Error struct {
	Field  string // a dotted path: writes.3.set.id
	Reason string
}

func (e *Error) Error() string { return e.Field + ": " + e.Reason }

// Errorf makes an Error.
func Errorf(field, format string, args ...any) *Error {
	return &Error{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Text checks that a value is valid UTF-8 without control characters (Unicode
// category Cc) and has at least minBytes and at most maxBytes bytes. The error
// is an *Error.
func Text(field, value string, minBytes, maxBytes int) error {
	switch {
	case len(value) < minBytes || len(value) > maxBytes:
		return Errorf(field, "must be %d to %d bytes", minBytes, maxBytes)
	case !utf8.ValidString(value):
		return Errorf(field, "must be valid UTF-8")
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return Errorf(field, "must not contain control characters")
		}
	}
	return nil
}
