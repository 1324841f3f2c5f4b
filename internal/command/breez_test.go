package command_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/internal/command"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage/datasync/datasynctest"
)

// stopsAt calls stop once a text was written.
type stopsAt struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopsAt) Write(b []byte) (int, error) {
	n, err := s.Buffer.Write(b)
	if strings.Contains(s.String(), s.text) {
		s.stop()
	}
	return n, err
}

// What is imported, and what is not, is told, and by the exit code, too.
func TestImportBreez(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"SQLITE_DIR_PATH=" + dir}
	source := datasynctest.SQLite(t, filepath.Join(dir, "db.sqlite"), 2) // beside it, as by default
	source.Add(t, datasynctest.Record{User: alice.String(), ID: "a", Data: []byte("hello"), Revision: 3})
	source.Must(t, "INSERT INTO locks (user_id, lock_name, instance_id, expires_at) VALUES ('u', 'l', 'i', $1)", time.Now().Add(time.Hour).Unix())

	got := run(t, env, "import", "breez", source.Source)
	if got.code != 1 || !strings.Contains(got.errors, "SQLITE_DIR_PATH: there is no database") {
		t.Errorf("without --create: %+v", got)
	}
	const same = "the same here as there, by SHA-256: 1 owners with 1 records, 5 bytes of data\n"
	waiting, stop := context.WithCancel(t.Context())
	defer stop()
	var out bytes.Buffer
	errs := &stopsAt{text: "a lock is held until", stop: stop}
	code := command.Run(waiting, []string{"import", "breez", "--create", source.Source}, command.Program{Environ: env, Stdout: &out, Stderr: errs})
	if code != 1 || out.String() != "imported 1 owners with 1 records, 5 bytes of data\n"+same || !strings.HasSuffix(errs.String(), "syncline: wait for locks: context canceled\n") {
		t.Errorf("while a lock is held: code %d\n%s%s", code, out.String(), errs.String())
	}
	free := time.Now().Add(2 * time.Second).Truncate(time.Second)
	source.Must(t, "UPDATE locks SET expires_at = $1", free.Unix())
	if got := run(t, env, "import", "breez", source.Source); got.code != 0 || got.out != "imported 0 owners with 0 records, 0 bytes of data\n"+same {
		t.Errorf("again: %+v", got)
	}
	if time.Now().Before(free) {
		t.Error("it did not wait for the lock")
	}
	bob := record.Owner{0: 3, 32: 2}
	source.Add(t,
		datasynctest.Record{User: bob.String(), ID: "b\x1b[2J", Revision: 1},
		datasynctest.Record{User: bob.String(), ID: "c\x00", Revision: 2},
	)
	source.Must(t, "UPDATE records SET data = 'other' WHERE user_id = $1", alice.String())
	got = run(t, env, "import", "breez", source.Source)
	for _, want := range []string{
		`user "` + bob.String() + `", record "b\x1b[2J": over today's limits`, `record "c\x00": text with a NUL`,
		`user "` + alice.String() + `": has another history here`, "imported 1 owners with 1 records", "by SHA-256: 1 owners with 1 records, 0 bytes",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %s in %s", want, got.out)
		}
	}
	if got.code != 1 || !strings.HasSuffix(got.errors, "syncline: 1 owners have another history here, and 1 owners and records cannot be kept: the lines above name them\n") {
		t.Errorf("%+v", got)
	}
	if got := run(t, env, "import", "breez", filepath.Join(dir, "syncline.db")); got.code != 1 || !strings.Contains(got.errors, "this is not a database of data-sync") {
		t.Errorf("its own: %+v", got)
	}
}

// An import that takes a while tells how far it is, where it is not in the way of what others read.
func TestImportBreezTellsProgress(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	url := postgres.NewURL(t)
	env := []string{"DATABASE_URL=" + url}
	source := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
	for n := range byte(3) {
		source.Add(t, datasynctest.Record{User: record.Owner{0: 3, 32: n}.String(), ID: "a", Revision: 1})
	}
	if got := run(t, env, "migrate", "--create"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	got := whileRecordsAreLocked(t, url, "EXCLUSIVE", func() result { return run(t, env, "import", "breez", source.Source) })
	if got.code != 0 || !strings.Contains(got.errors, "imported 1 owners and 1 records\n") || strings.Contains(got.out, "imported 1 owners and") {
		t.Errorf("%+v", got)
	}
}

// whileRecordsAreLocked runs a command that waits for longer than a second for the records, after which it tells.
func whileRecordsAreLocked(t *testing.T, url, mode string, command func() result) result {
	t.Helper()
	held, asks := connectTo(t, url), connectTo(t, url) // within a transaction, what others do seems not to change
	tx, err := held.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "LOCK TABLE syncline_records IN "+mode+" MODE")
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan result)
	go func() { done <- command() }()
	testservers.Await(t, "it waits for longer than a second", func(ctx context.Context) bool {
		var waiting int
		err := asks.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '1100 ms'").Scan(&waiting)
		return err == nil && waiting > 0
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-done
}

func connectTo(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
