package datasync_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/ent"
	"syncline/ent/account"
	entrecord "syncline/ent/record"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/datasync"
	"syncline/storage/datasync/datasynctest"
	"syncline/storage/records"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func owner(n byte) record.Owner { return record.Owner{0: 2, 32: n} }

// into imports, and answers what was noted.
func into(t *testing.T, source string, db *storage.DB) (datasync.Result, []string) {
	t.Helper()
	from, err := datasync.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var notes []string
	result, err := (&datasync.Import{
		From: from, To: db, Now: func() time.Time { return began },
		Note: func(n datasync.Note) { notes = append(notes, n.String()) }, Progress: func(string, datasync.Counts) {},
	}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result, notes
}

// here is what an owner has in a database of Syncline's.
func here(t *testing.T, db *storage.DB, owner record.Owner) string {
	t.Helper()
	a, err := db.Read.Account.Query().Where(account.ID(owner[:])).Only(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("head %d, floor %d, %d records, %d bytes:", a.Head, a.Floor, a.RecordCount, a.StoredBytes)
	for _, r := range db.Read.Record.Query().Where(entrecord.Owner(owner[:])).Order(ent.Asc(entrecord.FieldRevision)).AllX(t.Context()) {
		text += fmt.Sprintf(" %.8q@%d %.4q %d %x", r.ID, r.Revision, r.SchemaVersion, len(*r.Data), (*r.Data)[:min(3, len(*r.Data))])
		if r.UpdatedAt != began.UnixMicro() || r.Deleted {
			text += fmt.Sprint(" ", r.UpdatedAt, r.Deleted)
		}
	}
	return text
}

// sources and targets are each of both databases. A source in PostgreSQL stands in the
// database that it is imported into.
func eachWay(t *testing.T, test func(t *testing.T, from datasynctest.Database, to *storage.DB)) {
	postgres := testservers.StartPostgres(t)
	for name, make := range map[string]func(t *testing.T) (datasynctest.Database, *storage.DB){
		"SQLite to SQLite": func(t *testing.T) (datasynctest.Database, *storage.DB) {
			return datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2), testservers.SQLite(t)
		},
		"SQLite to PostgreSQL": func(t *testing.T) (datasynctest.Database, *storage.DB) {
			return datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2), postgres.Open(t)
		},
		"PostgreSQL to SQLite": func(t *testing.T) (datasynctest.Database, *storage.DB) {
			return datasynctest.Postgres(t, postgres.NewURL(t), 2), testservers.SQLite(t)
		},
		"PostgreSQL to PostgreSQL, beside it": func(t *testing.T) (datasynctest.Database, *storage.DB) {
			url := postgres.NewURL(t)
			from := datasynctest.Postgres(t, url, 2)
			db, err := storage.OpenPostgres(t.Context(), url, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			return from, db
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := make(t)
			test(t, from, to)
		})
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, from datasynctest.Database, to *storage.DB) {
		alice, bob, carol, dave := owner(1), owner(2), owner(3), owner(4)
		from.Add(t,
			datasynctest.Record{User: alice.String(), ID: "a", Data: []byte{0, 0xff}, Revision: 2, SchemaVersion: "1"},
			datasynctest.Record{User: alice.String(), ID: "B", Revision: 5},
			datasynctest.Record{User: alice.String(), ID: "fête", Data: []byte("xyz"), Revision: 7, SchemaVersion: "1.2.3"},
			datasynctest.Record{User: carol.String(), ID: strings.Repeat("i", 70), Data: []byte("x"), Revision: 1},
			datasynctest.Record{User: carol.String(), ID: "large", Data: make([]byte, 70_000), Revision: 2},
			datasynctest.Record{User: carol.String(), ID: "s", Data: []byte("x"), SchemaVersion: "version 1 of my schema", Revision: 3},
			datasynctest.Record{User: carol.String(), ID: "a\nb", Data: []byte("x"), Revision: 4},
			datasynctest.Record{User: carol.String(), ID: "", Data: []byte("x"), Revision: 6},
			datasynctest.Record{User: dave.String(), ID: "a", Data: []byte("a"), Revision: 1},
			datasynctest.Record{User: dave.String(), ID: "b", Data: []byte("b"), Revision: 2},
			datasynctest.Record{User: dave.String(), ID: "c", Data: []byte("c"), Revision: 1},
			datasynctest.Record{User: dave.String(), ID: "d", Data: []byte("d"), Revision: 0},
			datasynctest.Record{User: "nobody", ID: "a", Revision: 1},
			datasynctest.Record{User: strings.ToUpper(owner(0xab).String()), ID: "a", Revision: 1},
		)
		from.Head(t, alice.String(), 7)
		from.Head(t, alice.String(), 9)
		from.Head(t, bob.String(), 4)
		from.Head(t, owner(5).String(), 0)
		result, notes := into(t, from.Source, to)
		counts := datasync.Counts{Owners: 4, Records: 12, Bytes: 5 + 70_004 + 4}
		if result != (datasync.Result{Imported: counts, Same: counts, Lost: 2}) {
			t.Errorf("%+v", result)
		}
		for who, want := range map[record.Owner]string{
			alice: `head 9, floor 0, 3 records, 5 bytes: "a"@2 "1" 2 00ff "B"@5 "" 0  "fête"@7 "1.2." 3 78797a`,
			bob:   `head 4, floor 0, 0 records, 0 bytes:`,
			carol: `head 6, floor 0, 5 records, 70004 bytes: "iiiiiiii"@1 "" 1 78 "large"@2 "" 70000 000000 "s"@3 "vers" 1 78 "a\nb"@4 "" 1 78 ""@6 "" 1 78`,
			dave:  `head 4, floor 0, 4 records, 4 bytes: "a"@1 "" 1 61 "b"@2 "" 1 62 "d"@3 "" 1 64 "c"@4 "" 1 63`,
		} {
			if got := here(t, to, who); got != want {
				t.Errorf("%s has %s\nwant %s", who, got, want)
			}
		}
		for _, want := range []string{
			`user "nobody": owner is not`, `user "0200`, `record "a\nb": over today's limits`, `record "large": over`, `record "": over`, `record "s": over`,
			`record "iiii`, `record "d": revision 0 is none of its own: it got 3`, `record "c": revision 1 is none of its own: it got 4`,
		} {
			if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, want) }) {
				t.Errorf("no note of %s in\n%s", want, strings.Join(notes, "\n"))
			}
		}
		if len(notes) != 9 {
			t.Errorf("%d notes:\n%s", len(notes), strings.Join(notes, "\n"))
		}

		again, _ := into(t, from.Source, to)
		if again != (datasync.Result{Same: counts, Lost: 2}) {
			t.Errorf("run again: %+v", again)
		}
		store := records.New(to, to.NewEngine())
		set := record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "a", Revision: 2, Data: []byte("newer")}}}
		if written, err := store.Write(t.Context(), alice, set); err != nil || written.Results[0].NewRevision != 10 {
			t.Fatalf("%+v, %v", written, err)
		}
		from.Must(t, "UPDATE records SET data = $1 WHERE user_id = $2 AND id = 'b'", []byte("B"), dave.String())
		different, notes := into(t, from.Source, to)
		if different.Imported.Owners != 0 || different.Same.Owners != 2 || different.Other != 2 || different.Lost != 2 {
			t.Errorf("of two that differ: %+v", different)
		}
		if text := strings.Join(notes, "\n"); strings.Count(text, "has another history here") != 2 {
			t.Error(text)
		}
	})
}

// What cannot be kept in one of the databases is told, and does not keep the rest out.
func TestNUL(t *testing.T) {
	t.Parallel()
	from, to := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 1), testservers.SQLite(t)
	from.Add(t,
		datasynctest.Record{User: owner(1).String(), ID: "a\x00b", Revision: 1},
		datasynctest.Record{User: owner(1).String(), ID: "b", Revision: 2},
		datasynctest.Record{User: owner(1).String(), ID: "c", SchemaVersion: "\x00", Revision: 3},
		datasynctest.Record{User: owner(1).String(), ID: "\xff", Revision: 4},
		datasynctest.Record{User: owner(1).String(), ID: strings.Repeat("long", 750), Revision: 5},
		datasynctest.Record{User: owner(2).String(), ID: "a", Revision: 1 << 53},
	)
	result, notes := into(t, from.Source, to)
	if got, want := here(t, to, owner(1)), `head 5, floor 0, 1 records, 0 bytes: "b"@2 "" 0 `; got != want || result.Lost != 5 || result.Same.Owners != 1 {
		t.Errorf("%s, %+v\n%s", got, result, strings.Join(notes, "\n"))
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	tables := map[string]func(t *testing.T) datasynctest.Database{
		"SQLite": func(t *testing.T) datasynctest.Database {
			return datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
		},
		"PostgreSQL": func(t *testing.T) datasynctest.Database { return datasynctest.Postgres(t, postgres.NewURL(t), 2) },
	}
	for kind, create := range tables {
		for name, test := range map[string]struct {
			changes []string
			want    string
		}{
			"as released":     {nil, ""},
			"a later version": {[]string{"UPDATE schema_migrations SET version = 7", "ALTER TABLE records ADD more TEXT"}, ""},
			"dirty":           {[]string{"UPDATE schema_migrations SET dirty = TRUE"}, "to version 2 was interrupted (dirty)"},
			"no version":      {[]string{"DELETE FROM schema_migrations"}, "it has no version"},
			"a later version without a column": {
				[]string{"UPDATE schema_migrations SET version = 7", "ALTER TABLE records RENAME user_id TO store_id"}, "it is of version 7",
			},
			"another's": {[]string{"DROP TABLE schema_migrations"}, "this is not a database of data-sync"},
		} {
			d := create(t)
			for _, change := range test.changes {
				d.Must(t, change)
			}
			mustOpen(t, kind+", "+name, d.Source, test.want)
		}
	}
	for name, test := range map[string]struct{ source, want string }{
		"no database":                    {os.Args[0], "file is not a database"},
		"a directory":                    {t.TempDir(), "is not a file"},
		"nobody there":                   {"postgres://me:secret@127.0.0.1:1/db", "connection refused"},
		"a password that is not encoded": {"postgres://me:sec@ret@127.0.0.1:1/db", "must be percent-encoded"},
	} {
		mustOpen(t, name, test.source, test.want)
	}
	if _, err := datasync.Open(t.Context(), filepath.Join(t.TempDir(), "db.sqlite")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// mustOpen opens a source, or is refused with what is wanted and no password.
func mustOpen(t *testing.T, name, source, want string) {
	t.Helper()
	s, err := datasync.Open(t.Context(), source)
	if err == nil {
		s.Close()
	}
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err != nil && strings.Contains(err.Error(), "me:sec") {
		t.Errorf("%s: %v; want %q", name, err, want)
	}
}

// What is written to a source while it is read is not seen: it is read as it was at one moment. Where
// SQLite has no log of its own beside the file, nothing can be written meanwhile.
func TestWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	for name, test := range map[string]struct {
		from   datasynctest.Database
		writes bool
		before []string
	}{
		"SQLite":                       {datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2), false, nil},
		"SQLite, by a write-ahead log": {datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2), true, []string{"PRAGMA journal_mode = WAL"}},
		"PostgreSQL":                   {datasynctest.Postgres(t, postgres.NewURL(t), 2), true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, statement := range test.before {
				test.from.Must(t, statement)
			}
			for n := range byte(3) {
				test.from.Add(t, datasynctest.Record{User: owner(n + 1).String(), ID: "a", Data: []byte("old"), Revision: 1})
			}
			from, err := datasync.Open(t.Context(), test.from.Source)
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			to := testservers.SQLite(t)
			written := 0
			result, err := (&datasync.Import{
				From: from, To: to, Now: func() time.Time { return began }, Note: func(n datasync.Note) { t.Error(n) },
				Progress: func(string, datasync.Counts) { // after each owner, and each that was compared
					for _, statement := range []string{
						"UPDATE records SET data = 'new', revision = revision + 1",
						fmt.Sprintf("INSERT INTO records (user_id, id, data, revision, schema_version) VALUES ('%s', 'a', 'new', 1, '1')", owner(byte(10+written))),
						fmt.Sprintf("DELETE FROM records WHERE user_id = '%s'", owner(3)),
					} {
						if _, err := test.from.ExecContext(t.Context(), statement); err == nil {
							written++
						}
					}
				},
			}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if counts := (datasync.Counts{Owners: 3, Records: 3, Bytes: 9}); result != (datasync.Result{Imported: counts, Same: counts}) {
				t.Errorf("%+v", result)
			}
			for n := range byte(3) {
				if got, want := here(t, to, owner(n+1)), `head 1, floor 0, 1 records, 3 bytes: "a"@1 "" 3 6f6c64`; got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
			if (written == 6*3) != test.writes || written > 0 && !test.writes {
				t.Errorf("%d statements wrote", written)
			}
		})
	}
}

// A process that was killed leaves a journal, by which alone its file is whole. That is
// told, and nothing is read without it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	d := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
	d.Add(t, datasynctest.Record{User: owner(1).String(), ID: "a", Data: make([]byte, 100_000), Revision: 1})
	tx, err := d.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, statement := range []string{"PRAGMA cache_size = 1", "UPDATE records SET data = zeroblob(200000)"} { // so that it goes to the disk before its commit
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "db.sqlite")
	for _, suffix := range []string{"", "-journal"} {
		content, err := os.ReadFile(d.Source + suffix)
		if err == nil {
			err = os.WriteFile(copied+suffix, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if s, err := datasync.Open(t.Context(), copied); err == nil {
		s.Close()
		t.Error("it was read as if it were whole")
	} else if !strings.Contains(err.Error(), "its last transaction was interrupted") {
		t.Error(err)
	}
}
