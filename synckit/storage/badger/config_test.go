package badger_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	db "github.com/dgraph-io/badger/v4"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/badger"
)

func note(id string, data any) synckit.Event {
	return synckit.NewEvent(id, "NoteTaken", "x", data, nil)
}

func entries(events ...synckit.Event) []synckit.Entry {
	all := make([]synckit.Entry, len(events))
	for i, e := range events {
		all[i].Event = e
	}
	return all
}

func TestADirectoryIsNeeded(t *testing.T) {
	t.Parallel()
	for _, config := range []*badger.Config{nil, {}} {
		if _, err := badger.New(config); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("got %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badger.New(&badger.Config{Dir: file}); errors.CodeOf(err) != errors.StorageFailed {
		t.Errorf("a file: %v", err)
	}
}

func TestADirectoryBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, badger.Config{Dir: dir})
	if _, err := badger.New(&badger.Config{Dir: dir}); errors.CodeOf(err) != errors.StorageFailed {
		t.Errorf("got %v", err)
	}
}

// change sets a key of a store that is closed.
func change(t *testing.T, dir, key string, value []byte) {
	t.Helper()
	raw, err := db.Open(db.DefaultOptions(dir).WithLoggingLevel(db.ERROR))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.Update(func(txn *db.Txn) error { return txn.Set([]byte(key), value) }); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryOfANewerReleaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_ = open(t, badger.Config{Dir: dir}).Close()
	change(t, dir, "s", []byte{0, 0, 0, 0, 0, 0, 0, 99})
	if _, err := badger.New(&badger.Config{Dir: dir}); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("got %v", err)
	}
}

func TestDamageIsReported(t *testing.T) {
	t.Parallel()
	first := "\x00\x00\x00\x00\x00\x00\x00\x01"
	for what, c := range map[string]struct {
		key   string
		value []byte
		calls string
	}{
		"event":     {"e" + first, []byte{9, 'x'}, "load read aggregate known"},
		"no event":  {"e" + first, []byte("\x00\x00\x00\x00\x00\x00\x00\x00"), "load read aggregate known"},
		"position":  {"ie1", []byte("x"), "known"},
		"latest":    {"l", []byte("x"), "latest new known relying add another end"},
		"head":      {"gx", []byte("x"), "new relying"},
		"review":    {"r" + first, []byte("{"), "reviews"},
		"place":     {"pr1", []byte("x"), "after review end add"},
		"places":    {"n", []byte("x"), "add another"},
		"schema ok": {"unknown", []byte("x"), ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, badger.Config{Dir: dir})
			_, err := s.Commit(t.Context(), synckit.Commit{Append: entries(note("e1", 1)), AddReviews: []synckit.Review{{ID: "r1"}}})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			change(t, dir, c.key, c.value)
			s = open(t, badger.Config{Dir: dir})
			commit := func(c synckit.Commit) error { _, err := s.Commit(t.Context(), c); return err }
			failed := map[string]error{
				"known":       s.Store(t.Context(), note("e1", 1), nil),
				"relying":     commit(synckit.Commit{Unchanged: map[string]synckit.Position{"x": 9}}),
				"new":         s.Store(t.Context(), note("e2", 1), nil),
				"add another": commit(synckit.Commit{AddReviews: []synckit.Review{{ID: "r2"}}}),
			}
			_, failed["load"] = s.Load(t.Context(), nil)
			_, failed["read"] = s.Read(t.Context(), 0, 1)
			_, failed["aggregate"] = s.Aggregate(t.Context(), "x")
			_, failed["latest"] = s.LatestVersion(t.Context())
			_, failed["reviews"] = s.Reviews(t.Context(), "", 1)
			_, failed["after review"] = s.Reviews(t.Context(), "r1", 1)
			failed["end"] = commit(synckit.Commit{EndReviews: []string{"r1"}})
			for call, err := range failed {
				if want := strings.Contains(c.calls, call); (errors.CodeOf(err) == errors.StorageFailed) != want {
					// A damaged ID or event is also reported as another code: never as success.
					if want && err == nil {
						t.Errorf("%s: no error", call)
					}
					if !want && err != nil {
						t.Errorf("%s: %v", call, err)
					}
				}
			}
		})
	}
}

func TestBatchesOfBigEvents(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Config{Dir: t.TempDir(), DisableSyncWrites: true})
	var big []synckit.Event
	for i := range 40 {
		big = append(big, note(fmt.Sprint("e", i), strings.Repeat("b", 1<<20)))
	}
	done, err := s.Commit(t.Context(), synckit.Commit{Append: entries(big...)})
	if err != nil || len(done.Appended) != 40 {
		t.Errorf("appended %d, %v", len(done.Appended), err)
	}
}

func TestACommitBeyondATransactionIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Config{Dir: t.TempDir(), DisableSyncWrites: true})
	many := make([]synckit.Event, 50_000)
	for i := range many {
		many[i] = note(fmt.Sprint("e", i), strings.Repeat("b", 500))
	}
	if _, err := s.Commit(t.Context(), synckit.Commit{Append: entries(many...)}); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("got %v", err)
	}
	if left, err := s.Read(t.Context(), 0, 10); err != nil || len(left) > 0 {
		t.Errorf("left %d, %v", len(left), err)
	}
}

// day is a version of an app's own.
type day struct{ number int }

func (d day) Compare(other synckit.Version) int { return d.number - other.(day).number }
func (d day) String() string                    { return fmt.Sprintf("day %d", d.number) }
func (d day) IsZero() bool                      { return d.number == 0 }

func parseDay(text string) (synckit.Version, error) {
	var d day
	_, err := fmt.Sscanf(text, "day %d", &d.number)
	return d, err
}

func TestVersionsOfAnAppsOwn(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := open(t, badger.Config{Dir: t.TempDir(), ParseVersion: parseDay, Logger: log.New(&logged, "", 0)})
	for _, number := range []int{3, 5, 1} {
		if err := s.Store(t.Context(), note(fmt.Sprint("d", number), 1), day{number}); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[day]int{{3}: 2, {1}: 0, {4}: 1} { // 4 is not there: by its order
		if after, err := s.Load(t.Context(), since); err != nil || len(after) != want {
			t.Errorf("after %s: %d events, %v", since, len(after), err)
		}
	}
	if v, err := s.ParseVersion(t.Context(), "day 9"); err != nil || v != (day{9}) {
		t.Errorf("parsed %v, %v", v, err)
	}
	if v, err := s.ParseVersion(t.Context(), "9"); err != nil || v != (cursor.IntegerCursor{Seq: 9}) {
		t.Errorf("parsed %v, %v", v, err)
	}
	if logged.Len() > 0 {
		t.Errorf("logged %s", &logged)
	}
}
