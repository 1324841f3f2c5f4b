package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// checkText refuses what does not reach the server as it is: encoding/json would
// replace invalid UTF-8 and so name something else.
func checkText(variables any) error {
	field, value, ok := invalidText(reflect.ValueOf(variables))
	if ok {
		return nil
	}
	return &Error{Code: ErrBadUserInput, Field: field, Message: fmt.Sprintf("%s: %q is not valid UTF-8", field, value)}
}

// invalidText finds a string that is not valid UTF-8, and its path in JSON.
func invalidText(v reflect.Value) (field, value string, ok bool) {
	part := func(name string, v reflect.Value) bool {
		field, value, ok = invalidText(v)
		field = strings.Trim(name+"."+field, ".")
		return ok
	}
	switch v.Kind() {
	case reflect.String:
		return "", v.String(), utf8.ValidString(v.String())
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return invalidText(v.Elem())
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if !part(key.String(), v.MapIndex(key)) {
				return field, value, false
			}
		}
	case reflect.Slice:
		for i := 0; i < v.Len() && v.Type().Elem().Kind() != reflect.Uint8; i++ {
			if !part(strconv.Itoa(i), v.Index(i)) {
				return field, value, false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if !part(name, v.Field(i)) {
				return field, value, false
			}
		}
	}
	return "", "", true
}

// rootField finds what a document asks for.
var rootField = regexp.MustCompile(`{\s*(\w+)`)

// whatFailed adds to an error that is not the service's own words what was called,
// where, and for how long it was tried.
func (c *Client) whatFailed(document string, began time.Time, err error) error {
	if _, told := errors.AsType[*Error](err); told {
		return err
	}
	what := rootField.FindStringSubmatch(document)[1]
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %s did not answer within %v: %w", what, c.endpoint, roughly(time.Since(began)), err)
	}
	return fmt.Errorf("%s: %s: %w", what, c.endpoint, err)
}

// roughly is a duration as people tell it.
func roughly(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// unreachableError is an ErrUnreachable with its cause.
type unreachableError struct {
	cause      error
	retryAfter time.Duration
}

func (e *unreachableError) Error() string { return fmt.Sprintf("%v: %v", ErrUnreachable, e.cause) }

func (e *unreachableError) Unwrap() []error { return []error{ErrUnreachable, e.cause} }

// unreachable is the failure of a try that ctx bounded. Who reads it knows the
// address already.
func unreachable(ctx context.Context, err error) error {
	if silent, ok := errors.AsType[*silentError](context.Cause(ctx)); ok {
		return &unreachableError{cause: silent}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &unreachableError{cause: err}
}

// silentError is the end of a try that was not answered in time.
type silentError struct{ after time.Duration }

func (e *silentError) Error() string { return fmt.Sprintf("no answer within %v", roughly(e.after)) }

// Unwrap is how the end of a context is told.
func (*silentError) Unwrap() error { return context.DeadlineExceeded }
