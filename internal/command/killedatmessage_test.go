package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/owners"
	"syncline/storage/records"
	"syncline/storage/retention"
)

// asSweeper has this test's binary purge what is older than a day, once, as a server
// does when it starts.
const asSweeper = "SYNCLINE_TEST_SWEEP"

func sweep(ctx context.Context, db *storage.DB, err error) error {
	if err != nil {
		return err
	}
	engine := db.NewEngine()
	defer engine.Close(ctx)
	config := retention.Config{Tombstones: 24 * time.Hour, Mutations: 24 * time.Hour}
	_, err = retention.New(db.Read, engine, config, time.Now, slog.New(slog.DiscardHandler)).Sweep(ctx)
	return err
}

func sweepAsProgram() error {
	ctx := context.Background()
	if url := os.Getenv("DATABASE_URL"); url != "" {
		db, err := storage.OpenPostgres(ctx, url, 0)
		return sweep(ctx, db, err)
	}
	db, err := storage.OpenSQLite(ctx, os.Getenv("SQLITE_DIR_PATH"))
	return sweep(ctx, db, err)
}

// old gives an owner so many live records, and so many tombstones and mutation ids of
// long ago, which come before the records.
func old(t *testing.T, db *storage.DB, owner record.Owner, live, dead int) {
	t.Helper()
	numbers := "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) "
	literal, yes, no, empty := "X'%x'", "1", "0", "X'00'"
	if db.Dialect == "postgres" {
		literal, yes, no, empty = `'\x%x'::bytea`, "true", "false", `'\x00'::bytea`
	}
	literal = fmt.Sprintf(literal, owner[:])
	digest := strings.Replace(literal, fmt.Sprintf("%x", owner[:]), strings.Repeat("00", 32), 1)
	for _, statement := range []string{
		fmt.Sprintf("INSERT INTO syncline_accounts (owner, head, record_count, stored_bytes, tombstones, mutation_bytes) VALUES (%s, %d, %d, %d, %d, 1000000)", literal, dead+live, live, live, dead),
		fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, deleted, updated_at) "+numbers+"SELECT %s, 'dead' || n, n, %s, 1 FROM numbers WHERE n <= %d", max(dead, 1), literal, yes, dead),
		fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, deleted, updated_at, data) "+numbers+"SELECT %s, 'live' || n, %d + n, %s, 1, %s FROM numbers WHERE n <= %d", max(live, 1), literal, dead, no, empty, live),
		fmt.Sprintf("INSERT INTO syncline_mutations (owner, id, digest, revisions, head, applied_at) "+numbers+"SELECT %s, 'm' || n, %s, %s, n, 1 FROM numbers WHERE n <= %d", max(dead, 1), literal, digest, empty, dead),
	} {
		if _, err := db.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// requirePurged makes sure that of what old made nothing is half purged: no tombstone
// is left below the floor and none is gone above it, what is counted is there, and
// a client that follows from the floor misses nothing. It tells how many tombstones are left.
func requirePurged(t *testing.T, where string, db *storage.DB, owner record.Owner, live, dead int) (left int) {
	t.Helper()
	store := records.New(db, db.NewEngine())
	a, err := store.Account(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	at := record.Span{After: a.Floor, Limit: live + dead + 1, MaxBytes: 1 << 20}
	page, err := store.Changes(t.Context(), owner, at)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range page.Records {
		if r.Deleted {
			left++
		}
		if r.Revision != a.Floor+record.Revision(i)+1 {
			t.Fatalf("%s: revision %d comes %d after the floor %d", where, r.Revision, i+1, a.Floor)
		}
	}
	if len(page.Records)-left != live || a.RecordCount != int64(live) || left != dead-int(a.Floor) || int(a.Tombstones) != left {
		t.Errorf("%s: %d records of %d, %d tombstones, %+v", where, len(page.Records)-left, live, left, a)
	}
	return left
}

// A purge that is killed has taken tombstones up to the floor, and no other.
func TestPurgeKilled(t *testing.T) {
	t.Parallel()
	const live, dead = 20, 1200
	full := t.TempDir()
	fill(t, full, 0)
	db, err := storage.OpenSQLite(t.Context(), full)
	if err != nil {
		t.Fatal(err)
	}
	old(t, db, alice, live, dead)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var dir string
	killedWhileItWrites(t, func() (env, args []string) {
		dir = t.TempDir()
		copyFiles(t, full, dir)
		return []string{asSweeper + "=1", "SQLITE_DIR_PATH=" + dir}, nil
	}, func(where, _ string) {
		db, err := storage.OpenSQLite(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		left := requirePurged(t, where, db, alice, live, dead)
		if where == "" && left > 0 {
			t.Errorf("a purge that was not killed left %d tombstones", left)
		}
		if err := sweep(t.Context(), db, nil); err != nil {
			t.Fatal(err)
		}
		if left := requirePurged(t, where, db, alice, live, dead); left > 0 {
			t.Errorf("%s, and purged again: %d tombstones are left", where, left)
		}
	})
}

// What works on PostgreSQL is killed at each message that it sends: right before that
// goes on, or right after.
func TestKilledOnPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for name, test := range map[string]func(*testing.T, *attempts){
		"purge": testPurgeKilled, "erase": testEraseKilled, "import": testImportKilled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server.NewURL(t)
			db, err := storage.OpenPostgres(t.Context(), url, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, &attempts{server: server, url: url + "&application_name=killed", db: db})
		})
	}
}

// attempts are those to kill one kind of command, each about an owner of its own.
type attempts struct {
	server *testservers.Postgres
	url    string
	db     *storage.DB
	begun  int
}

// each runs a command for an owner that prepare fills, killed at its first message, its
// second and so on, until it gets through, which is checked too (where is empty then): in the
// longest runs right before each and right after each, otherwise at some.
func (a *attempts) each(t *testing.T, command func(record.Owner) (env, args []string), prepare func(record.Owner), check func(where, said string, owner record.Owner)) {
	t.Helper()
	first, step, times, atLeast := 12, 24, 1, 2 // those before open connections
	switch {
	case os.Getenv("SYNCLINE_LONG") != "":
		first, step, times, atLeast = 1, 1, 2, 50
	case long:
		first, step, atLeast = 7, 5, 8
	}
	kills := 0
	for i := 0; !t.Failed(); i++ {
		n, passedOn := first+i/times*step, i%2 == 1
		a.begun++
		owner := record.Owner{0: 2, 30: 1, 31: byte(a.begun >> 8), 32: byte(a.begun)}
		prepare(owner)
		env, args := command(owner)
		where := fmt.Sprintf("killed at message %d, passed on: %v", n, passedOn)
		killed, said := killedAtMessage(t, n, passedOn, a.url, env, args)
		if !killed {
			check("", said, owner)
			break
		}
		kills++
		testservers.Await(t, "the server notices", func(ctx context.Context) bool {
			rows, err := a.db.Read.QueryContext(ctx, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'killed'")
			if err != nil {
				return false
			}
			there := rows.Next()
			return rows.Close() == nil && !there
		})
		check(where, said, owner)
	}
	t.Logf("killed %d times", kills)
	if kills < atLeast {
		t.Errorf("it was killed %d times only", kills)
	}
}

// killedAtMessage runs a command line, by way of a proxy, and kills it when it sends its
// n-th message to the server. It tells whether it came to that, and what it had said.
func killedAtMessage(t *testing.T, n int, passedOn bool, url string, env, args []string) (was bool, said string) {
	t.Helper()
	_, rest, _ := strings.Cut(url, "@")
	address, _, _ := strings.Cut(rest, "/")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, append(env, "DATABASE_URL="+strings.Replace(url, address, listener.Addr().String(), 1)), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		sync.Mutex
		messages int
	}
	pass := func(client net.Conn) {
		defer client.Close()
		server, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		defer server.Close()
		go func() { _, _ = io.Copy(client, server); client.Close() }()
		for buffer := make([]byte, 1<<20); ; {
			read, err := client.Read(buffer)
			if err != nil {
				return
			}
			sent.Lock() // nothing is passed on while another message is the last
			sent.messages++
			here := sent.messages
			if here == n && !passedOn || here > n {
				_ = cmd.Process.Kill()
				sent.Unlock()
				return
			}
			_, err = server.Write(buffer[:read])
			if here == n {
				_ = cmd.Process.Kill()
			}
			sent.Unlock()
			if err != nil {
				return
			}
		}
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { pass(client) })
		}
	})
	err = cmd.Wait()
	listener.Close()
	connections.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && (!failed || exit.Exited()) {
		t.Fatalf("at message %d: %v\n%s", n, err, out.String())
	}
	return err != nil, out.String()
}

func testPurgeKilled(t *testing.T, a *attempts) {
	const live, dead = 20, 2500
	halfway := 0
	a.each(t, func(record.Owner) (env, args []string) { return []string{asSweeper + "=1"}, nil },
		func(owner record.Owner) { old(t, a.db, owner, live, dead) },
		func(where, _ string, owner record.Owner) {
			left := requirePurged(t, where, a.db, owner, live, dead)
			if left > 0 && left < dead {
				halfway++
			}
			if where == "" && left > 0 {
				t.Errorf("a purge that was not killed left %d tombstones", left)
			}
			if err := sweep(t.Context(), a.db, nil); err != nil {
				t.Fatal(err)
			}
			if left := requirePurged(t, where, a.db, owner, live, dead); left > 0 {
				t.Errorf("%s, and purged again: %d tombstones are left", where, left)
			}
		})
	if t.Logf("%d times some tombstones were left", halfway); halfway == 0 && os.Getenv("SYNCLINE_LONG") != "" {
		t.Error("it was never killed halfway")
	}
}

func testEraseKilled(t *testing.T, a *attempts) {
	const live, dead = 1500, 500
	before, halfway := 0, 0
	a.each(t, func(owner record.Owner) (env, args []string) {
		return nil, []string{"owner", "erase", "--yes", owner.String()}
	},
		func(owner record.Owner) { old(t, a.db, owner, live, dead) },
		func(where, said string, owner record.Owner) {
			store := records.New(a.db, a.db.NewEngine())
			page, err := store.Changes(t.Context(), owner, record.Span{FromStart: true, Limit: 10, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			found, err := store.Records(t.Context(), owner, []string{"dead1", "live1", "live1500"})
			if err != nil {
				t.Fatal(err)
			}
			account, err := store.Account(t.Context(), owner)
			if err != nil {
				t.Fatal(err)
			}
			erased := page.Head == live+dead+1
			if !erased && strings.Contains(said, "nobody sees them any more") {
				t.Errorf("%s: it had said %q, and all is there", where, said)
			}
			if erased && (len(page.Records)+len(found) > 0 || page.Floor != page.Head || account.RecordCount != 0) ||
				!erased && (len(page.Records) != 10 || len(found) != 3 || account.RecordCount != live || where == "") {
				t.Errorf("%s: a page of %d, found %v, %+v", where, len(page.Records), found, account)
			}
			if rest := rowsOf(t, a.db, owner); !erased {
				before++
			} else if rest > 0 {
				halfway++
			}
			if err := sweep(t.Context(), a.db, nil); err != nil {
				t.Fatal(err)
			}
			if rest := rowsOf(t, a.db, owner); erased && rest > 0 {
				t.Errorf("%s, and swept: %d rows are left", where, rest)
			}
		})
	if t.Logf("%d times before, %d times halfway", before, halfway); os.Getenv("SYNCLINE_LONG") != "" && (before == 0 || halfway == 0) {
		t.Error("it was not killed both before the erasure and while it removed what was erased")
	}
}

// rowsOf counts what is kept of an owner but its account.
func rowsOf(t *testing.T, db *storage.DB, owner record.Owner) (n int) {
	t.Helper()
	for _, table := range []string{"records", "mutations", "erasures", "locks"} {
		rows, err := db.Read.QueryContext(t.Context(), fmt.Sprintf(`SELECT count(*) FROM syncline_%s WHERE owner = '\x%x'::bytea`, table, owner[:]))
		if err != nil {
			t.Fatal(err)
		}
		var count int
		rows.Next()
		if err := errors.Join(rows.Scan(&count), rows.Close()); err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}

func testImportKilled(t *testing.T, a *attempts) {
	old(t, a.db, alice, 8000, 200)
	export := func(owner record.Owner) (string, error) {
		var text bytes.Buffer
		_, err := owners.Export(t.Context(), a.db, owner, &text, time.Now(), func(owners.Counts) {})
		return strings.ReplaceAll(withoutDate(text.String()), owner.String(), alice.String()), err
	}
	want, err := export(alice)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alice.jsonl")
	got := run(t, []string{"DATABASE_URL=" + a.url}, "owner", "export", alice.String())
	if err := os.WriteFile(file, []byte(got.out), 0o600); err != nil || got.code != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	none := 0
	a.each(t, func(owner record.Owner) (env, args []string) {
		return nil, []string{"owner", "import", "--as", owner.String(), file}
	}, func(record.Owner) {}, func(where, said string, owner record.Owner) {
		text, err := export(owner)
		if errors.Is(err, owners.ErrUnknown) {
			none++
		}
		if whole := err == nil && text == want; !whole && (!errors.Is(err, owners.ErrUnknown) || where == "" || strings.Contains(said, "imported 8000 records")) {
			t.Errorf("%s: %d bytes of %d, %v; it had said %q", where, len(text), len(want), err, said)
		}
		if rest := rowsOf(t, a.db, owner); err != nil && rest > 0 {
			t.Errorf("%s: %d rows of an owner who is not there", where, rest)
		}
	})
	if none == 0 {
		t.Error("it was never killed before the end")
	}
}
