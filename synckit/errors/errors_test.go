package errors_test

import (
	stderrors "errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"syncline/synckit/errors"
)

func TestErrorsTellTheirCode(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("sync: %w", errors.New(errors.Unavailable, "pull", io.EOF, errors.Metadata{"peer": "hub"}))
	if got := errors.CodeOf(err); got != errors.Unavailable {
		t.Errorf("code %q", got)
	}
	if !stderrors.Is(err, &errors.Error{Code: errors.Unavailable}) || stderrors.Is(err, &errors.Error{Code: errors.Timeout}) {
		t.Error("Is does not tell codes apart")
	}
	if !stderrors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "sync: synckit: pull: UNAVAILABLE: EOF"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := errors.New(errors.Closed, "push", nil).Error(), "synckit: push: CLOSED"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if errors.CodeOf(io.EOF) != "" || errors.CodeOf(nil) != "" {
		t.Error("a code out of nothing")
	}
}

func TestWhichErrorsMayPass(t *testing.T) {
	t.Parallel()
	retryable := map[errors.Code]bool{
		errors.InvalidEvent: false, errors.InvalidOptions: false, errors.InvalidVersion: false,
		errors.EventIDReused: false, errors.CursorLost: false, errors.Erased: false, errors.NotFound: false, errors.ConflictFailed: false,
		errors.TooLarge: false, errors.Refused: false, errors.Unauthenticated: false, errors.Unsupported: false,
		errors.Closed: false, errors.Outdated: true, errors.StorageFailed: true, errors.Unavailable: true,
		errors.Timeout: true, errors.Internal: true,
	}
	for code, want := range retryable {
		if got := errors.IsRetryable(errors.New(code, "test", nil)); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	if !errors.IsRetryable(io.EOF) || errors.IsRetryable(nil) {
		t.Error("errors without a code count as retryable, none does not")
	}
}

func TestHowLongThePeerAsksToWait(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"1m30s": 90 * time.Second, "": 0, "soon": 0, "-1s": 0} {
		err := fmt.Errorf("sync: %w", errors.New(errors.Unavailable, "pull", nil, errors.Metadata{errors.RetryAfter: text}))
		if got := errors.RetryAfterOf(err); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if errors.RetryAfterOf(io.EOF) != 0 || errors.RetryAfterOf(nil) != 0 {
		t.Error("nobody asked")
	}
}

func ExampleIsRetryable() {
	err := error(errors.New(errors.Refused, "push", nil, errors.Metadata{"event": "e1"}))
	fmt.Fprintln(os.Stdout, errors.CodeOf(err), errors.IsRetryable(err))
	// Output: REFUSED false
}
