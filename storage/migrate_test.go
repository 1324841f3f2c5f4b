package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"golang.org/x/sync/errgroup"

	"syncline/ent/migrate"
	"syncline/internal/testservers"
	"syncline/storage"
	"syncline/storage/row"
)

func TestMigrationsOnSQLite(t *testing.T) {
	t.Parallel()
	testMigrations(t, testservers.SQLite(t), catalog{
		columns: `SELECT name || ' ' || lower(type) || CASE "notnull" WHEN 1 THEN ' not null' ELSE '' END
			FROM pragma_table_info('%s')`,
		key:    `SELECT name FROM pragma_table_info('%s') WHERE pk > 0 ORDER BY pk`,
		tables: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
		index: `SELECT name || CASE "unique" WHEN 1 THEN ' unique' ELSE '' END
			FROM pragma_index_list('%s') WHERE origin = 'c'`,
		types: map[field.Type]string{
			field.TypeBytes: "blob", field.TypeString: "text", field.TypeBool: "integer",
			field.TypeInt: "integer", field.TypeInt64: "integer",
		},
	})
}

func TestMigrationsOnPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	t.Run("schema", func(t *testing.T) {
		testMigrations(t, server.Open(t), catalog{
			columns: `SELECT column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
				FROM information_schema.columns WHERE table_name = '%s'`,
			key: `SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, place)
				JOIN pg_attribute a ON a.attnum = k.n
				WHERE i.indisprimary AND i.indrelid = '%s'::regclass AND a.attrelid = i.indrelid ORDER BY k.place`,
			tables: `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`,
			index: `SELECT c.relname || CASE WHEN i.indisunique THEN ' unique' ELSE '' END
				FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
				WHERE NOT i.indisprimary AND i.indrelid = '%s'::regclass`,
			types: map[field.Type]string{
				field.TypeBytes: "bytea", field.TypeString: "text", field.TypeBool: "boolean",
				field.TypeInt: "bigint", field.TypeInt64: "bigint",
			},
		})
	})
	t.Run("many at once", func(t *testing.T) { testMigrateAtOnce(t, server.NewURL(t)) })
	t.Run("many at once behind a pooler", func(t *testing.T) {
		testMigrateAtOnce(t, testservers.StartPgBouncer(t, server, 2).NewURL(t))
	})
	t.Run("a database from before retention", func(t *testing.T) { testUpgradeOnPostgres(t, server) })
	t.Run("what was there before", func(t *testing.T) { testWhatWasBefore(t, server.Open(t)) })
	t.Run("beside the version before", func(t *testing.T) { testMigrateBesideWriters(t, server.Open(t)) })
	t.Run("behind a backup", func(t *testing.T) { testMigrateBehindBackup(t, server.Open(t)) })
	t.Run("newer", func(t *testing.T) { testNewerIsRefused(t, server.Open(t)) })
	t.Run("epochs", func(t *testing.T) { testEpochs(t, server.Open(t)) })
}

func TestWhatWasBeforeOnSQLite(t *testing.T) {
	t.Parallel()
	testWhatWasBefore(t, testservers.SQLite(t))
}

// testWhatWasBefore goes back to the tables of the first version and forth
// again: what was remembered then counts as of now, lest it be forgotten early,
// and how much it is, is known.
func testWhatWasBefore(t *testing.T, db *storage.DB) {
	t.Helper()
	backToFirstVersion(t, db)
	for _, statement := range []string{
		"INSERT INTO syncline_accounts (owner, head) SELECT owner, 1 FROM (SELECT %s AS owner) AS o",
		"INSERT INTO syncline_records (owner, id, revision, deleted, updated_at) SELECT owner, 'a', 1, true, 1 FROM (SELECT %s AS owner) AS o",
		"INSERT INTO syncline_locks (owner, name, fence) SELECT owner, 'a', 1 FROM (SELECT %s AS owner) AS o",
		"INSERT INTO syncline_lock_holders (owner, lock, instance_id, exclusive, token, expires_at) SELECT owner, 'a', 'b', false, 1, 1 FROM (SELECT %s AS owner) AS o",
	} {
		zeros := "zeroblob(33)"
		if db.Dialect == "postgres" {
			zeros = "decode(repeat('00', 33), 'hex')"
		}
		if _, err := db.Write.ExecContext(t.Context(), fmt.Sprintf(statement, zeros)); err != nil {
			t.Fatal(err)
		}
	}
	rememberMutation(t, db, "ä")
	before := time.Now()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := row.Mutation{Revisions: []byte{1}}
	a := db.Read.Account.Query().OnlyX(t.Context())
	if a.Tombstones != 1 || a.Fences != 1 || a.Holders != 1 || a.ForgottenToken != 0 || a.MutationBytes != kept.Size("ä") || a.QuotaRecords != 0 || a.CreatedAt != 0 {
		t.Errorf("counted from before: %+v", a)
	}
	if at := time.UnixMicro(db.Read.Lock.Query().OnlyX(t.Context()).UsedAt); at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) {
		t.Errorf("the fence is dated %v, want now", at)
	}
	m := db.Read.AppliedMutation.Query().OnlyX(t.Context())
	if at := time.UnixMicro(m.AppliedAt); at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) || m.ID != "ä" {
		t.Errorf("%+v: dated %v, want now", m, at)
	}
}

// testMigrateBesideWriters has an instance of the first version go on writing while
// the tables change and afterwards. The index over all records takes its time: it
// waits for a reader here.
func testMigrateBesideWriters(t *testing.T, db *storage.DB) {
	backToFirstVersion(t, db)
	reader, err := db.Read.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback()
	reader.Record.Query().CountX(t.Context())

	before := time.Now()
	migrated := make(chan error, 1)
	go func() { migrated <- db.Migrate(t.Context()) }()
	testservers.Await(t, "the index is being built", func(context.Context) bool {
		return len(queryTexts(t, db, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")) == 1
	})
	rememberMutation(t, db, "meanwhile")
	insert := "INSERT INTO syncline_records (owner, id, revision, updated_at, data) VALUES ($1, 'a', 1, 1, '')"
	if _, err := db.Write.ExecContext(t.Context(), insert, make([]byte, 33)); err != nil {
		t.Fatal(err)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	rememberMutation(t, db, "after")
	for _, m := range db.Read.AppliedMutation.Query().AllX(t.Context()) {
		if at := time.UnixMicro(m.AppliedAt); at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) {
			t.Errorf("%s is dated %v, want now", m.ID, at)
		}
	}
}

// testMigrateBehindBackup has a backup hold what the tables' change needs: that
// gives up soon, for writers wait behind it. The next start does it.
func testMigrateBehindBackup(t *testing.T, db *storage.DB) {
	backToFirstVersion(t, db)
	backup, err := db.Read.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Rollback()
	if _, err := backup.ExecContext(t.Context(), "LOCK TABLE syncline_mutations IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	assertLine(t, db.Migrate(t.Context()), "lock timeout")
	rememberMutation(t, db, "a")
	if err := backup.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func backToFirstVersion(t *testing.T, db *storage.DB) {
	t.Helper()
	for _, statement := range []string{
		"DROP TABLE syncline_erasures",
		"ALTER TABLE syncline_accounts DROP COLUMN erased",
		"ALTER TABLE syncline_accounts DROP COLUMN holders",
		"ALTER TABLE syncline_accounts DROP COLUMN forgotten_token",
		"DROP INDEX record_tombstones",
		"ALTER TABLE syncline_mutations DROP COLUMN applied_at",
		"ALTER TABLE syncline_locks DROP COLUMN used_at",
		"ALTER TABLE syncline_accounts DROP COLUMN created_at",
		"ALTER TABLE syncline_accounts DROP COLUMN tombstones",
		"ALTER TABLE syncline_accounts DROP COLUMN mutation_bytes",
		"ALTER TABLE syncline_accounts DROP COLUMN fences",
		"ALTER TABLE syncline_accounts DROP COLUMN quota_records",
		"ALTER TABLE syncline_accounts DROP COLUMN quota_bytes",
		"ALTER TABLE syncline_accounts DROP COLUMN pulls",
		"DELETE FROM syncline_migrations WHERE version_id >= 2",
	} {
		if _, err := db.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// rememberMutation inserts as the first version does.
func rememberMutation(t *testing.T, db *storage.DB, id string) {
	t.Helper()
	insert := "INSERT INTO syncline_mutations (owner, id, digest, revisions, head) VALUES (?, ?, ?, ?, 1)"
	if db.Dialect == "postgres" {
		insert = "INSERT INTO syncline_mutations (owner, id, digest, revisions, head) VALUES ($1, $2, $3, $4, 1)"
	}
	if _, err := db.Write.ExecContext(t.Context(), insert, make([]byte, 33), id, make([]byte, 32), []byte{1}); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSQLiteIsRefused(t *testing.T) {
	t.Parallel()
	testNewerIsRefused(t, testservers.SQLite(t))
}

// catalog asks a database about its tables.
type catalog struct {
	columns, key, tables, index string
	types                       map[field.Type]string
}

// testMigrations compares what the migrations made with Ent's schema, save for
// the keys, which Ent cannot say.
func testMigrations(t *testing.T, db *storage.DB, c catalog) {
	t.Helper()
	for _, table := range migrate.Tables {
		want := entColumns(table, c.types)
		if got := sorted(queryTexts(t, db, fmt.Sprintf(c.columns, table.Name))); !slices.Equal(got, want) {
			t.Errorf("%s has the columns %q, Ent's schema %q", table.Name, got, want)
		}
		if got := sorted(queryTexts(t, db, fmt.Sprintf(c.index, table.Name))); !slices.Equal(got, entIndexes(table)) {
			t.Errorf("%s has the indexes %q, Ent's schema %q", table.Name, got, entIndexes(table))
		}
		key := queryTexts(t, db, fmt.Sprintf(c.key, table.Name))
		id := table.PrimaryKey[0].Name
		if key[len(key)-1] != id || (table.Name != "syncline_epochs" && key[0] != "owner") {
			t.Errorf("%s has the key %q: want owner first, %s last", table.Name, key, id)
		}
	}
	for _, name := range queryTexts(t, db, c.tables) {
		known := slices.ContainsFunc(migrate.Tables, func(table *schema.Table) bool { return table.Name == name })
		if !known && !strings.HasPrefix(name, "syncline_migrations") {
			t.Errorf("Ent's schema does not know the table %s", name)
		}
	}
}

func entColumns(table *schema.Table, types map[field.Type]string) []string {
	var columns []string
	for _, column := range table.Columns {
		text := column.Name + " " + types[column.Type]
		if !column.Nullable {
			text += " not null"
		}
		columns = append(columns, text)
	}
	return sorted(columns)
}

func entIndexes(table *schema.Table) []string {
	var indexes []string
	for _, index := range table.Indexes {
		text := index.Name
		if index.Unique {
			text += " unique"
		}
		indexes = append(indexes, text)
	}
	return sorted(indexes)
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}

func testMigrateAtOnce(t *testing.T, url string) {
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			db, err := storage.OpenPostgres(t.Context(), url, 0)
			if err != nil {
				return err
			}
			defer db.Close()
			return db.Migrate(t.Context())
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	db, err := storage.OpenPostgres(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := db.Read.Epoch.Query().CountX(t.Context()); n != 1 {
		t.Errorf("%d epochs", n)
	}
}

func testNewerIsRefused(t *testing.T, db *storage.DB) {
	t.Helper()
	insert := "INSERT INTO syncline_migrations (version_id, is_applied) VALUES (99, 1)"
	if db.Dialect == "postgres" {
		insert = "INSERT INTO syncline_migrations (version_id, is_applied) VALUES (99, true)"
	}
	if _, err := db.Write.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	err := db.Migrate(t.Context())
	if !errors.Is(err, storage.ErrNewer) {
		t.Errorf("not ErrNewer: %v", err)
	}
	assertLine(t, err, "newer version", "99")
}
