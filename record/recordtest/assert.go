package recordtest

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"syncline/record"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// describe tells what a result says, for comparison and for messages: of each
// write its status, new revision and record.
func describe(r record.Result) string {
	var b strings.Builder
	b.WriteString(statusName(r.Status))
	if r.Replayed {
		b.WriteString(" replayed")
	}
	for _, w := range r.Results {
		fmt.Fprintf(&b, "; %s", statusName(w.Status))
		if w.NewRevision > 0 {
			fmt.Fprintf(&b, " %d", w.NewRevision)
		}
		if w.Record != nil {
			b.WriteString(" " + show(*w.Record))
		}
	}
	return b.String()
}

func statusName(s record.Status) string {
	return []string{"?", "success", "conflict", "skipped"}[s]
}

// show writes a record as id@revision=data, with † for a tombstone.
func show(r record.Record) string {
	if r.Deleted {
		return fmt.Sprintf("%s@%d†", r.ID, r.Revision)
	}
	return fmt.Sprintf("%s@%d=%s", r.ID, r.Revision, r.Data)
}

func showAll(records []record.Record) string {
	shown := make([]string, len(records))
	for i, r := range records {
		shown[i] = show(r)
	}
	return strings.Join(shown, " ")
}

func assertResult(t *testing.T, got record.Result, want string) {
	t.Helper()
	if text := describe(got); text != want {
		t.Fatalf("got  %s\nwant %s", text, want)
	}
}

func assertRecords(t *testing.T, got []record.Record, want string) {
	t.Helper()
	if text := showAll(got); text != want {
		t.Fatalf("got  %s\nwant %s", text, want)
	}
}

func assertEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func assertRevisions(t *testing.T, what string, got []record.Revision, want ...record.Revision) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// assertInvalid checks that an error names a field.
func assertInvalid(t *testing.T, err error, field string) {
	t.Helper()
	invalid, ok := errors.AsType[*record.InvalidError](err)
	if !ok || invalid.Field != field {
		t.Fatalf("got %v, want an *InvalidError for %s", err, field)
	}
}

func assertIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func assertTooOld(t *testing.T, err error, want record.CursorTooOldError) {
	t.Helper()
	e, ok := errors.AsType[*record.CursorTooOldError](err)
	if !ok || *e != want {
		t.Fatalf("got %#v, want %#v", err, want)
	}
}

func assertEpochMismatch(t *testing.T, err error, restoredHead record.Revision) {
	t.Helper()
	e, ok := errors.AsType[*record.EpochMismatchError](err)
	if !ok || e.RestoredHead != restoredHead {
		t.Fatalf("got %#v, want an *EpochMismatchError with restored head %d", err, restoredHead)
	}
}
