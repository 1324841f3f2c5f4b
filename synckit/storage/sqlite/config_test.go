package sqlite_test

import (
	"bytes"
	"database/sql"
	stderrors "errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/sqlite"
)

func file(t *testing.T) string {
	t.Helper()
	return "file:" + filepath.Join(t.TempDir(), "events.db")
}

func note(id string) synckit.Event { return synckit.NewEvent(id, "NoteTaken", "x", id, nil) }

func store(t *testing.T, s synckit.EventStore, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Store(t.Context(), note(id), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func loaded(t *testing.T, s synckit.EventStore) string {
	t.Helper()
	events, err := s.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.Event.ID()
	}
	return strings.Join(ids, " ")
}

func closeAtEnd(t *testing.T, s *sqlite.Store) *sqlite.Store {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// journalMode is what the file says, to somebody who opens it plainly.
func journalMode(t *testing.T, dataSource string) (mode string) {
	t.Helper()
	db, err := sql.Open("sqlite", dataSource)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil {
		t.Fatal(err)
	}
	return mode
}

func TestTheWriteAheadLogIsOnUnlessTurnedOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config sqlite.Config
		want   string
	}{
		"by default": {sqlite.Config{}, "wal"},
		"asked for":  {sqlite.Config{EnableWAL: true}, "wal"},
		"turned off": {sqlite.Config{DisableWAL: true}, "delete"},
	} {
		c.config.DataSourceName = file(t)
		closeAtEnd(t, open(t, c.config))
		if mode := journalMode(t, c.config.DataSourceName); mode != c.want {
			t.Errorf("%s: journal mode %s", name, mode)
		}
	}
}

func TestTheWriteAheadLogIsTurnedOffLater(t *testing.T) {
	t.Parallel()
	source := file(t)
	first := open(t, sqlite.Config{DataSourceName: source})
	store(t, first, "e1")
	_ = first.Close()
	second := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source, DisableWAL: true}))
	store(t, second, "e2")
	if mode, got := journalMode(t, source), loaded(t, second); mode != "delete" || got != "e1 e2" {
		t.Errorf("journal mode %s with events %s", mode, got)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	source := file(t)
	for name, config := range map[string]*sqlite.Config{
		"no configuration":     nil,
		"no data source":       {},
		"on and off":           {DataSourceName: source, EnableWAL: true, DisableWAL: true},
		"a path with ?":        {DataSourceName: source + "?1.db"},
		"a path with ? and &":  {DataSourceName: source + "?mode=rwc&draft.db"},
		"a URI with #":         {DataSourceName: "file:" + source + "#1"},
		"negative connections": {DataSourceName: source, MaxOpenConns: -1},
		"negative idle":        {DataSourceName: source, MaxIdleConns: -1},
		"negative lifetime":    {DataSourceName: source, ConnMaxLifetime: -1},
		"negative idle time":   {DataSourceName: source, ConnMaxIdleTime: -1},
	} {
		if _, err := sqlite.New(config); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The file that is opened is the one that was named.
func TestFilesOfOddNames(t *testing.T) {
	t.Parallel()
	for source, name := range map[string]string{
		"a#b.db": "a#b.db", "file:%s/c%%23d.db": "c#d.db", "file:%s/e%%3ff.db": "e?f.db",
		"%s/g.db?_pragma=cache_size(100)": "g.db", "file:%s/h.db?mode=rwc&_pragma=cache_size(100)": "h.db",
	} {
		dir := t.TempDir()
		if !strings.Contains(source, "%s") {
			source = "%s/" + source
		}
		store, err := sqlite.NewWithDataSource(fmt.Sprintf(source, dir))
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		store.Close()
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestTableNamesAreNamesOnly(t *testing.T) {
	t.Parallel()
	source := file(t)
	for _, name := range []string{
		`x"; DROP TABLE events; --`, "x'y", "a b", "a.b", "1x", "ü", "x\x00", "-", "sqlite_x", "SQLite_x", strings.Repeat("x", 65),
	} {
		_, err := sqlite.New(&sqlite.Config{DataSourceName: source, TableName: name})
		if errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestTablesOfSeveralNamesShareAFile uses names that SQL knows otherwise.
func TestTablesOfSeveralNamesShareAFile(t *testing.T) {
	t.Parallel()
	source := file(t)
	for _, name := range []string{"", "select", "T", "my_events"} {
		s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source, TableName: name}))
		store(t, s, "of_"+name)
		if got := loaded(t, s); got != "of_"+name {
			t.Errorf("table %q has %s", name, got)
		}
	}
	if _, err := sqlite.New(&sqlite.Config{DataSourceName: source, TableName: "T_cursors"}); err != nil {
		t.Logf("a name that is taken is refused: %v", err)
	} else {
		t.Error("the table of another store's cursors was taken for one of events")
	}
}

func TestMemoryDataSources(t *testing.T) {
	t.Parallel()
	for _, source := range []string{":memory:", "file::memory:", "file:TestMemory?mode=memory", "file:TestShared?mode=memory&cache=shared"} {
		// An idle time this short would end the connection, and the data with it.
		s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source, ConnMaxIdleTime: 1, ConnMaxLifetime: 1}))
		store(t, s, "e1", "e2")
		if got := loaded(t, s); got != "e1 e2" {
			t.Errorf("%s has %q", source, got)
		}
	}
}

func TestStoresShareACacheInMemory(t *testing.T) {
	t.Parallel()
	const source = "file::memory:?cache=shared"
	a, b := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source})), closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
	done := make(chan error, 2)
	for i, s := range []*sqlite.Store{a, b} {
		go func() {
			var err error
			for n := 0; n < 50 && err == nil; n++ {
				err = s.Store(t.Context(), note(fmt.Sprint(i, ".", n)), nil)
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if a, b := loaded(t, a), loaded(t, b); a != b || len(strings.Fields(a)) != 100 {
		t.Errorf("one has %s, the other %s", a, b)
	}
}

func TestTwoProcessesUseOneFile(t *testing.T) {
	t.Parallel()
	source := file(t)
	first := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
	second := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
	done := make(chan error, 2)
	for i, s := range []*sqlite.Store{first, second} {
		go func() {
			var err error
			for n := 0; n < 50 && err == nil; n++ {
				err = s.Store(t.Context(), note(fmt.Sprint(i, ".", n)), nil)
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if a, b := loaded(t, first), loaded(t, second); a != b || len(strings.Fields(a)) != 100 {
		t.Errorf("one has %s, the other %s", a, b)
	}
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: file(t) + "?_pragma=max_page_count(20)"}))
	store(t, s, "e1")
	big := synckit.NewEvent("big", "T", "x", strings.Repeat("b", 1<<20), nil)
	err := s.Store(t.Context(), big, nil)
	assertCause(t, err, "the disk is full")
	if !errors.IsRetryable(err) {
		t.Error("a full disk is for ever")
	}
	store(t, s, "e2")
	if got := loaded(t, s); got != "e1 e2" {
		t.Errorf("events %s", got)
	}
}

func assertCause(t *testing.T, err error, want string) {
	t.Helper()
	e, ok := stderrors.AsType[*errors.Error](err)
	if !ok || e.Code != errors.StorageFailed || e.Metadata["cause"] != want {
		t.Errorf("got %#v, want a failed storage because %s", err, want)
	}
}

func TestAReadOnlyFileIsRead(t *testing.T) {
	t.Parallel()
	source := file(t)
	writer := open(t, sqlite.Config{DataSourceName: source, DisableWAL: true})
	store(t, writer, "e1")
	_ = writer.Close()
	s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source + "?mode=ro", DisableWAL: true}))
	if got := loaded(t, s); got != "e1" {
		t.Errorf("events %s", got)
	}
	assertCause(t, s.Store(t.Context(), note("e2"), nil), "the database is read-only")
}

func TestTheLoggerIsTold(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	closeAtEnd(t, open(t, sqlite.Config{DataSourceName: file(t), Logger: log.New(&text, "", 0)}))
	if !strings.Contains(text.String(), "table events") {
		t.Errorf("logged %q", text.String())
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
	source := file(t)
	s := open(t, sqlite.Config{DataSourceName: source})
	for _, number := range []int{3, 5, 1} {
		if err := s.Store(t.Context(), note(fmt.Sprint("d", number)), day{number}); err != nil {
			t.Fatal(err)
		}
	}
	review := synckit.Review{ID: "r", Remote: []synckit.EventWithVersion{
		{Event: note("e"), Version: day{7}}, {Event: note("f"), Version: cursor.IntegerCursor{Seq: 12}},
	}}
	if _, err := s.Commit(t.Context(), synckit.Commit{AddReviews: []synckit.Review{review}}); err != nil {
		t.Fatal(err)
	}
	events, _ := s.Load(t.Context(), nil)
	if got := events[0].Version; got != (cursor.IntegerCursor{Seq: 1}) {
		t.Errorf("nobody can read it, but it is %#v", got)
	}
	_ = s.Close()

	s = closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source, ParseVersion: parseDay}))
	events, _ = s.Load(t.Context(), nil)
	if events[0].Version != (day{3}) || events[2].Version != (day{1}) {
		t.Errorf("versions %v and %v", events[0].Version, events[2].Version)
	}
	for since, want := range map[day]int{{3}: 2, {1}: 0, {4}: 1} { // 4 is not there: by its order
		if after, err := s.Load(t.Context(), since); err != nil || len(after) != want {
			t.Errorf("after %s: %d events, %v", since, len(after), err)
		}
	}
	reviews, err := s.Reviews(t.Context(), "", 1)
	if err != nil || reviews[0].Remote[0].Version != (day{7}) || reviews[0].Remote[1].Version != (cursor.IntegerCursor{Seq: 12}) {
		t.Errorf("review %v, %v", reviews, err)
	}
	if v, err := s.ParseVersion(t.Context(), "day 9"); err != nil || v != (day{9}) {
		t.Errorf("parsed %v, %v", v, err)
	}
	if v, err := s.ParseVersion(t.Context(), "9"); err != nil || v != (cursor.IntegerCursor{Seq: 9}) {
		t.Errorf("parsed %v, %v", v, err)
	}
}

// TestAnotherProcessHoldsTheDatabase has a second connection hold the write lock.
func TestAnotherProcessHoldsTheDatabase(t *testing.T) {
	t.Parallel()
	source := file(t)
	s := closeAtEnd(t, open(t, sqlite.Config{DataSourceName: source}))
	db, err := sql.Open("sqlite", source+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	started := time.Now()
	assertCause(t, s.Store(t.Context(), note("e1"), nil), "another process holds the database")
	if waited := time.Since(started); waited < 4*time.Second {
		t.Errorf("gave up after %s", waited)
	}
	if got := loaded(t, s); got != "" { // readers go on
		t.Errorf("events %s", got)
	}
}
