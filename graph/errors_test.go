package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncline/locks"
	"syncline/record"
)

// failingStore fails every call in one way.
type failingStore struct{ fail func() error }

func (s failingStore) Write(context.Context, record.Owner, record.Request) (record.Result, error) {
	return record.Result{}, s.fail()
}

func (s failingStore) Erase(context.Context, record.Owner, *string) (record.Erasure, []string, error) {
	return record.Erasure{}, nil, s.fail()
}

func (s failingStore) Changes(context.Context, record.Owner, record.Span) (record.Snapshot, error) {
	return record.Snapshot{}, s.fail()
}

func (s failingStore) Records(context.Context, record.Owner, []string) (map[string]record.Record, error) {
	return nil, s.fail()
}

func (s failingStore) Account(context.Context, record.Owner) (record.Account, error) {
	return record.Account{}, s.fail()
}

func (s failingStore) Heads(context.Context, []record.Owner) (map[record.Owner]record.Revision, error) {
	return nil, s.fail()
}

type failingLocker struct{ fail func() error }

func (l failingLocker) Acquire(context.Context, locks.Owner, locks.Request) (locks.Grant, error) {
	return locks.Grant{}, l.fail()
}

func (l failingLocker) Release(context.Context, locks.Key, string) (locks.Lock, error) {
	return locks.Lock{}, l.fail()
}

func (l failingLocker) Read(context.Context, []locks.Key) ([]locks.Lock, error) {
	return nil, l.fail()
}

const secret = "dial tcp 10.0.0.7: password of postgres"

var calls = map[string]string{
	"viewer":       viewer,
	"changes":      `{changes {head}}`,
	"record":       `{record(id: "a") {id}}`,
	"records":      `{records(ids: ["a"]) {id}}`,
	"lock":         `{lock(name: "a") {name}}`,
	"setRecord":    `mutation {setRecord(input: {id: "a", data: ""}) {status}}`,
	"deleteRecord": `mutation {deleteRecord(input: {id: "a", revision: 1}) {status}}`,
	"writeRecords": `mutation {writeRecords(input: {writes: [{delete: {id: "a", revision: 1}}]}) {status}}`,
	"setLock":      `mutation {setLock(input: {name: "a", instanceId: "a"}) {status}}`,
	"eraseAccount": `mutation {eraseAccount(input: {owner: "` + keyOf("alice") + `"}) {erasedRecords}}`,
	"release":      `mutation {setLock(input: {name: "a", instanceId: "a", acquire: false}) {status}}`,
}

func TestFailuresOfTheStore(t *testing.T) {
	t.Parallel()
	const mutation = "setRecord deleteRecord writeRecords setLock eraseAccount release"
	for name, test := range map[string]struct {
		records, locks error
		want           refusal
		retryAfterMs   string
		outcome        func(call string) string
	}{
		"unavailable": {
			&record.UnavailableError{RetryAfter: 1500 * time.Millisecond, Err: errors.New(secret)},
			&locks.UnavailableError{RetryAfter: 1500 * time.Millisecond, Err: errors.New(secret)},
			refusal{503, "UNAVAILABLE", ""},
			"1500",
			func(string) string { return "NOT_APPLIED" },
		},
		"outcome unknown": {
			fmt.Errorf("wrapped: %w", &record.UnavailableError{OutcomeUnknown: true, Err: errors.New(secret)}),
			fmt.Errorf("wrapped: %w", &locks.UnavailableError{OutcomeUnknown: true, Err: errors.New(secret)}),
			refusal{503, "UNAVAILABLE", ""},
			"1000",
			func(string) string { return "UNKNOWN" },
		},
		"cut off": {
			context.DeadlineExceeded, context.Canceled,
			refusal{503, "UNAVAILABLE", ""},
			"1000",
			func(call string) string {
				if strings.Contains(mutation, call) {
					return "UNKNOWN"
				}
				return "NOT_APPLIED"
			},
		},
		"unexpected": {
			errors.New(secret), errors.New(secret), refusal{200, "INTERNAL", ""}, "", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, options{
				store:  failingStore{func() error { return test.records }},
				locker: failingLocker{func() error { return test.locks }},
			})
			for call, query := range calls {
				got := a.as("alice").refused(t, query, nil, test.want)
				if strings.Contains(got.body, "10.0.0.7") {
					t.Errorf("%s: the client sees %s", call, got.body)
				}
				if len(got.Errors) != 1 {
					t.Errorf("%s: %s", call, got.body)
				}
				if test.outcome != nil {
					tree{t, got.Errors[0].Extensions}.is(test.retryAfterMs, "retryAfterMs")
					tree{t, got.Errors[0].Extensions}.is(test.outcome(call), "outcome")
				}
			}
			if logged := strings.Contains(a.log.String(), secret); logged != (name != "cut off") {
				t.Errorf("the log says %s", a.log)
			}
		})
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	boom := func() error { panic(secret) }
	a := newAPI(t, options{store: failingStore{boom}, locker: failingLocker{boom}})
	for call, query := range calls {
		got := a.as("alice").refused(t, query, nil, refusal{200, "INTERNAL", ""})
		if strings.Contains(got.body, "10.0.0.7") || got.Errors[0].Message != "internal error" {
			t.Errorf("%s: the client sees %s", call, got.body)
		}
	}
	log := a.log.String()
	if !strings.Contains(log, secret) || !strings.Contains(log, "errors_test.go") {
		t.Errorf("the log has no stack: %s", log)
	}
	if n := strings.Count(log, "level=ERROR"); n != len(calls) {
		t.Errorf("%d errors logged for %d panics", n, len(calls))
	}
}

func TestOneFieldFailsAndItsSiblingsAnswer(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	got := c.do(t, `{good: record(id: "a") {id} evil: record(id: "") {id}}`, nil)
	if got.status != 200 || len(got.Errors) != 1 || fmt.Sprint(got.Errors[0].Path) != "[evil]" {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if got.refusal(t) != bad("id") {
		t.Errorf("%s", got.body)
	}
}

func TestErrorsKeepTheirPathAndPlace(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	got := c.refused(t, `mutation {mine: setRecord(input: {id: "a", data: "?"}) {status}}`, nil, bad("input.data"))
	if fmt.Sprint(got.Errors[0].Path) != "[mine]" {
		t.Errorf("path %v", got.Errors[0].Path)
	}
	if !strings.HasPrefix(got.Errors[0].Message, "input.data: ") {
		t.Errorf("message %q", got.Errors[0].Message)
	}
}

func TestMessagesDoNotRepeatLargeInput(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	got := c.refused(t, `mutation {setLock(input: {name: "a", instanceId: "a", acquire: "`+strings.Repeat("é", 20000)+`"}) {status}}`, nil, invalid)
	if len(got.body) > 1000 || !strings.Contains(got.body, "é...") {
		t.Errorf("an answer of %d bytes: %s", len(got.body), clip(got.body))
	}
}

// emptyStore has one record, without data, as a database may read it back.
type emptyStore struct{ failingStore }

func (emptyStore) Records(context.Context, record.Owner, []string) (map[string]record.Record, error) {
	return map[string]record.Record{"a": {ID: "a", Revision: 1}}, nil
}

func TestDataIsNullInTombstonesOnly(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{store: emptyStore{}}).as("alice")
	c.ok(t, `{record(id: "a") {data}}`, nil).is("", "record", "data")
}
