package records_test

import (
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// layoutRows is how many records BenchmarkLayout stores before it measures. The
// figures of docs/adr/0002-key-layout.md are those of 200000.
var layoutRows = flag.Int("layout.rows", 20_000, "records stored by BenchmarkLayout")

const (
	layoutOwners = 1000
	layoutBatch  = 100 // writes of a transaction
)

// layout is a way to name an owner in the tables that it keys.
type layout struct {
	name   string
	column string // type of the owner column
	key    func(owner []byte, number int) any
}

var layouts = []layout{
	{"hex", "TEXT", func(owner []byte, _ int) any { return hex.EncodeToString(owner) }},
	{"raw", "BLOB", func(owner []byte, _ int) any { return owner }},
	{"integer", "INTEGER", func(_ []byte, number int) any { return number }},
}

// BenchmarkLayout compares key layouts on SQLite as the server sets it up: 1000
// owners, data of 256 to 1024 bytes, 100 writes a transaction, pages of 100.
// Every write and page begins with the owner's account, found by the public
// key; that is where the integer layout learns its number.
func BenchmarkLayout(b *testing.B) {
	for _, l := range layouts {
		b.Run(l.name, func(b *testing.B) {
			t := newTables(b, l)
			b.Run("insert", func(b *testing.B) { t.measure(b, t.insert) })
			b.Run("update", func(b *testing.B) { t.measure(b, t.update) })
			b.Run("page", t.pages)
		})
	}
}

// tables are the two that matter here, filled.
type tables struct {
	layout
	db     *sql.DB
	random *rand.Rand
	owners [layoutOwners]struct {
		public []byte
		ids    []string
	}
}

func newTables(b *testing.B, l layout) *tables {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "layout.db")+
		"?_txlock=immediate&_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	t := &tables{layout: l, db: db, random: rand.New(rand.NewPCG(1, 2))}
	account := "BLOB"
	if l.column == "TEXT" {
		account = "TEXT"
	}
	t.exec(b, fmt.Sprintf(`
		CREATE TABLE accounts (public %[2]s PRIMARY KEY, number INTEGER, head INTEGER) STRICT, WITHOUT ROWID;
		CREATE TABLE records (owner %[1]s, id TEXT, revision INTEGER, deleted INTEGER, schema_version TEXT,
			client_id TEXT, updated_at INTEGER, data BLOB, PRIMARY KEY (owner, id)) STRICT;
		CREATE UNIQUE INDEX feed ON records (owner, revision)`, l.column, account))
	for n := range t.owners {
		public := make([]byte, 33)
		public[0] = 2
		for i := 1; i < len(public); i++ {
			public[i] = byte(t.random.Uint32())
		}
		t.owners[n].public = public
		t.exec(b, "INSERT INTO accounts VALUES (?, ?, 0)", t.public(n), n)
	}
	for n := 0; n < *layoutRows; n += 1000 {
		t.transaction(b, 1000, t.insert)
	}
	return t
}

// public is the owner as the accounts table has it.
func (t *tables) public(n int) any {
	if t.column == "TEXT" {
		return hex.EncodeToString(t.owners[n].public)
	}
	return t.owners[n].public
}

func (t *tables) exec(b *testing.B, query string, args ...any) {
	b.Helper()
	if _, err := t.db.Exec(query, args...); err != nil {
		b.Fatal(err)
	}
}

func (t *tables) transaction(b *testing.B, writes int, write func(*testing.B, *sql.Tx)) {
	b.Helper()
	tx, err := t.db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for range writes {
		write(b, tx)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func (t *tables) measure(b *testing.B, write func(*testing.B, *sql.Tx)) {
	for b.Loop() {
		t.transaction(b, layoutBatch, write)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*layoutBatch), "µs/write")
	t.exec(b, "PRAGMA wal_checkpoint(TRUNCATE)")
	var size int64
	query := "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	if err := t.db.QueryRow(query).Scan(&size); err != nil {
		b.Fatal(err)
	}
	rows := 0
	for n := range t.owners {
		rows += len(t.owners[n].ids)
	}
	b.ReportMetric(float64(size)/float64(rows), "file-bytes/record")
}

func (t *tables) data() []byte { return make([]byte, 256+t.random.IntN(769)) }

// next takes an owner's next revision.
func (t *tables) next(b *testing.B, tx *sql.Tx, n int) (owner any, revision int64) {
	b.Helper()
	var number int
	err := tx.QueryRow("SELECT number, head FROM accounts WHERE public = ?", t.public(n)).Scan(&number, &revision)
	if err != nil {
		b.Fatal(err)
	}
	revision++
	t.execTx(b, tx, "UPDATE accounts SET head = ? WHERE public = ?", revision, t.public(n))
	return t.key(t.owners[n].public, number), revision
}

func (t *tables) execTx(b *testing.B, tx *sql.Tx, query string, args ...any) {
	b.Helper()
	if _, err := tx.Exec(query, args...); err != nil {
		b.Fatal(err)
	}
}

func (t *tables) insert(b *testing.B, tx *sql.Tx) {
	n := t.random.IntN(layoutOwners)
	owner, revision := t.next(b, tx, n)
	id := fmt.Sprintf("%016x%016x", t.random.Uint64(), t.random.Uint64())
	t.owners[n].ids = append(t.owners[n].ids, id)
	t.execTx(b, tx, "INSERT INTO records VALUES (?, ?, ?, 0, '1', 'device', 0, ?)", owner, id, revision, t.data())
}

func (t *tables) update(b *testing.B, tx *sql.Tx) {
	n := t.random.IntN(layoutOwners)
	ids := t.owners[n].ids
	if len(ids) == 0 {
		t.insert(b, tx)
		return
	}
	id := ids[t.random.IntN(len(ids))]
	owner, revision := t.next(b, tx, n)
	var seen int64
	err := tx.QueryRow("SELECT revision FROM records WHERE owner = ? AND id = ?", owner, id).Scan(&seen)
	if err != nil {
		b.Fatal(err)
	}
	t.execTx(b, tx, "UPDATE records SET revision = ?, data = ? WHERE owner = ? AND id = ?", revision, t.data(), owner, id)
}

func (t *tables) pages(b *testing.B) {
	for b.Loop() {
		t.page(b, t.random.IntN(layoutOwners))
	}
}

func (t *tables) page(b *testing.B, n int) {
	var number, head int
	err := t.db.QueryRow("SELECT number, head FROM accounts WHERE public = ?", t.public(n)).Scan(&number, &head)
	if err != nil {
		b.Fatal(err)
	}
	rows, err := t.db.Query("SELECT id, revision, data FROM records WHERE owner = ? AND revision > ? ORDER BY revision LIMIT 100",
		t.key(t.owners[n].public, number), t.random.IntN(head/2+1))
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id       string
			revision int64
			data     sql.RawBytes
		)
		if err := rows.Scan(&id, &revision, &data); err != nil {
			b.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}
