package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/sqlite"
)

func TestFilesThatAreNoStores(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.NewWithDataSource(path)
	assertCause(t, err, "the file is no database")
	_, err = sqlite.NewWithDataSource(filepath.Join(t.TempDir(), "no", "such", "directory"))
	assertCause(t, err, "the file cannot be opened")
}

func exec(t *testing.T, source, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestTablesOfANewerReleaseAreLeftAlone(t *testing.T) {
	t.Parallel()
	source := file(t)
	_ = open(t, sqlite.Config{DataSourceName: source}).Close()
	exec(t, source, "INSERT INTO events_schema (version) VALUES (99)")
	if _, err := sqlite.NewWithDataSource(source); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("got %v", err)
	}
}

func TestDamageIsReported(t *testing.T) {
	t.Parallel()
	for what, statement := range map[string]string{
		"an event's metadata": `UPDATE events SET metadata = '{'`,
		"an event's ID":       `UPDATE events SET id = ''`,
		"an event's version":  `UPDATE events SET version_kind = 'vector', version = '{'`,
		"a missing table":     `DROP TABLE events`,
	} {
		source := file(t)
		s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
		if err := s.Store(t.Context(), synckit.NewEvent("e1", "T", "x", 1, map[string]any{"a": 1}), nil); err != nil {
			t.Fatal(err)
		}
		exec(t, source, statement)
		if events, err := s.Load(t.Context(), nil); err == nil {
			t.Errorf("%s: loaded %v", what, events)
		}
		if entries, err := s.Read(t.Context(), 0, 10); err == nil {
			t.Errorf("%s: read %v", what, entries)
		}
	}
}

func TestMissingTablesAreReported(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"events", "events_cursors", "events_reviews"} {
		source := file(t)
		s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
		exec(t, source, "DROP TABLE "+table)
		failures := map[string]error{}
		_, failures["latest"] = s.LatestVersion(t.Context())
		_, failures["cursor"] = s.Cursor(t.Context(), "p", synckit.Pulling)
		_, failures["reviews"] = s.Reviews(t.Context(), "", 1)
		_, failures["reviews after"] = s.Reviews(t.Context(), "r", 1)
		_, failures["append"] = s.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: note("e")}}}})
		_, failures["set cursor"] = s.Commit(t.Context(), synckit.Commit{Cursors: []synckit.Cursor{{Peer: "p", Direction: synckit.Pulling, Value: "1"}}})
		_, failures["add review"] = s.Commit(t.Context(), synckit.Commit{AddReviews: []synckit.Review{{ID: "r"}}})
		_, failures["end review"] = s.Commit(t.Context(), synckit.Commit{EndReviews: []string{"r"}})
		broken := 0
		for what, err := range failures {
			if code := errors.CodeOf(err); code == errors.StorageFailed {
				broken++
			} else if err != nil && code != errors.NotFound {
				t.Errorf("%s without %s: %v", what, table, err)
			}
		}
		if broken < 2 {
			t.Errorf("without %s only %d calls fail: %v", table, broken, failures)
		}
	}
}

// Tables that were made before entries could be dropped are brought up to date.
func TestTablesOfAnOlderReleaseAreBroughtUpToDate(t *testing.T) {
	t.Parallel()
	source := file(t)
	before := open(t, sqlite.Config{DataSourceName: source})
	for _, id := range []string{"one", "two", "three"} {
		store(t, before, id)
	}
	_ = before.Close()
	exec(t, source, "ALTER TABLE events DROP COLUMN dropped; DELETE FROM events_schema WHERE version = 2")
	s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
	if err := s.Drop(t.Context(), "x", []string{"two"}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Aggregate(t.Context(), "x")
	if err != nil || len(left) != 2 || left[0].Event.ID() != "one" || left[1].Event.ID() != "three" {
		t.Errorf("%v, %v", left, err)
	}
}
