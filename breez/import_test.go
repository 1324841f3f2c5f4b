package breez_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"syncline/breez/syncpb"
	"syncline/client"
	"syncline/ent/account"
	"syncline/internal/testservers"
	"syncline/storage"
	"syncline/storage/datasync/datasynctest"
)

// Clients of an imported database go on from what they know, though the import was killed in the middle and
// run again: 100,000 records of 1,000 owners, from each kind of database into each. In make verify it is
// killed at random as well, again and again.
func TestImport(t *testing.T) {
	t.Parallel()
	users, each := 1000, 100
	if testservers.RaceDetector && os.Getenv("SYNCLINE_LONG") == "" {
		users, each = 200, 50
	}
	postgres := testservers.StartPostgres(t)
	inSQLite := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
	inPostgres := datasynctest.Postgres(t, postgres.NewURL(t), 1)
	devices := fillDatasync(t, users, each, inSQLite, inPostgres)
	for name, test := range map[string]struct{ source, target string }{
		"SQLite to SQLite":                    {inSQLite.Source, "SQLITE_DIR_PATH=" + t.TempDir()},
		"SQLite to PostgreSQL":                {inSQLite.Source, "DATABASE_URL=" + postgres.NewURL(t)},
		"PostgreSQL to SQLite":                {inPostgres.Source, "SQLITE_DIR_PATH=" + t.TempDir()},
		"PostgreSQL to the database it is in": {inPostgres.Source, "DATABASE_URL=" + inPostgres.Source},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			target := importTarget{t, test.target}
			if _, stderr, err := testservers.Run(t, []string{test.target}, "migrate", "--create"); err != nil {
				t.Fatal(err, stderr)
			}
			target.importKilledMidway(test.source, devices)
			out := target.importKilledAtRandom(test.source)
			t.Logf("after %v", time.Since(began))
			if want := fmt.Sprintf("the same here as there, by SHA-256: %d owners with %d records,", users+1, users*each+3); !strings.Contains(out, want) {
				t.Errorf("%s\nwant %s", out, want)
			}
			server := testservers.StartSyncline(t, switchedOn, test.target)
			for _, u := range []user{devices[0], devices[users/2], devices[users-1]} {
				goesOn(t, device{t, u, protocols[0].client(t, server.Address), "old"}, each)
			}
			d := device{t, devices[users], protocols[0].client(t, server.Address), ""}
			got := map[string]int{}
			for since := uint64(0); since < 3; { // none hides those after it
				changes := d.list(since)
				if len(changes) != 1 {
					t.Fatalf("%d records after %d", len(changes), since)
				}
				since = changes[0].GetRevision()
				got[changes[0].GetId()] = len(changes[0].GetData())
			}
			if want := "map[a:4100000 b:4100000 c:1]"; fmt.Sprint(got) != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
}

// owner is who a user is to data-sync.
func (u user) owner() string { return fmt.Sprintf("%x", u.key.PubKey().SerializeCompressed()) }

// fillDatasync gives users records, every second revision, and one more user some that are
// larger than is taken today.
func fillDatasync(t *testing.T, users, each int, databases ...datasynctest.Database) (made []user) {
	var rows, large []datasynctest.Record
	for range users {
		u := newUser(t)
		made = append(made, u)
		name := u.owner()
		for i := range each {
			rows = append(rows, datasynctest.Record{User: name, ID: fmt.Sprint(i), Data: fmt.Append(nil, name[:10], i), Revision: int64(2*i + 1), SchemaVersion: "1"})
		}
	}
	u := newUser(t)
	for i, size := range []int{4_100_000, 4_100_000, 1} {
		large = append(large, datasynctest.Record{User: u.owner(), ID: string(rune('a' + i)), Data: make([]byte, size), Revision: int64(i + 1)})
	}
	for _, d := range databases {
		d.Add(t, rows...)
		d.Must(t, fmt.Sprintf("INSERT INTO user_revisions (user_id, revision) SELECT DISTINCT user_id, %d FROM records", 2*each))
		d.Add(t, large...)
	}
	return append(made, u)
}

// importTarget is a variable that names a database to import into.
type importTarget struct {
	*testing.T
	variable string
}

// postgres is its URL; false for SQLite.
func (i importTarget) postgres() (url string, is bool) {
	return strings.CutPrefix(i.variable, "DATABASE_URL=")
}

// owners is how many are there.
func (i importTarget) owners() int {
	i.Helper()
	var db *storage.DB
	var err error
	if url, is := i.postgres(); is {
		db, err = storage.OpenPostgres(i.Context(), url, 0)
	} else {
		db, err = storage.OpenSQLite(i.Context(), strings.TrimPrefix(i.variable, "SQLITE_DIR_PATH="))
	}
	if err != nil {
		i.Fatal(err)
	}
	defer db.Close()
	n, err := db.Read.Account.Query().Where(account.HeadGT(0)).Count(i.Context())
	if err != nil {
		i.Fatal(err)
	}
	return n
}

func (i importTarget) command(ctx context.Context, source string) *exec.Cmd {
	i.Helper()
	return testservers.Command(i, ctx, []string{i.variable}, "import", "breez", source)
}

// importKilledMidway imports some owners.
func (i importTarget) importKilledMidway(source string, all []user) {
	i.Helper()
	if url, is := i.postgres(); is {
		i.killedAtOwner(url, source, all)
		return
	}
	i.killedAtSync(source, len(all))
}

// killedAtOwner kills it at the middle one of all owners, whose account somebody else locks.
func (i importTarget) killedAtOwner(url, source string, all []user) {
	i.Helper()
	names := make([]string, len(all))
	for n, u := range all {
		names[n] = u.owner()
	}
	slices.Sort(names) // as it takes them
	middle := len(names) / 2
	owner, err := hex.DecodeString(names[middle])
	if err != nil {
		i.Fatal(err)
	}
	var connections [2]*pgx.Conn
	for n := range connections {
		if connections[n], err = pgx.Connect(i.Context(), url); err != nil {
			i.Fatal(err)
		}
		defer connections[n].Close(context.Background())
	}
	held, asks := connections[0], connections[1] // within a transaction, what others do seems not to change
	tx, err := held.Begin(i.Context())
	if err == nil {
		_, err = tx.Exec(i.Context(), "INSERT INTO syncline_accounts (owner) VALUES ($1)", owner)
	}
	if err != nil {
		i.Fatal(err)
	}
	ctx, kill := context.WithCancel(i.Context())
	defer kill()
	command := i.command(ctx, source)
	command.Stderr = i.Output()
	if err := command.Start(); err != nil {
		i.Fatal(err)
	}
	testservers.Await(i, "it waits for the account", func(ctx context.Context) bool {
		var waiting int
		err := asks.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'").Scan(&waiting)
		return err == nil && waiting > 0
	})
	kill()
	if err := command.Wait(); err == nil {
		i.Fatal("it was done before")
	}
	if err := tx.Rollback(i.Context()); err != nil {
		i.Fatal(err)
	}
	if n := i.owners(); n != middle {
		i.Fatalf("killed at owner %d, it has imported %d of %d", middle+1, n, len(all))
	}
}

// killedAtSync kills it when a thread of it has had the disk sync so often that some owners are there, for the
// database's own beginning takes fewer; all of them, each of whom takes one, take more than its few threads do until then.
func (i importTarget) killedAtSync(source string, all int) {
	i.Helper()
	command := i.command(i.Context(), source)
	const calls = "fsync,fdatasync"
	command.Args = append([]string{
		"strace", "-f", "-o", "/dev/null", "-e", "trace=" + calls, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, 20+all/20), command.Path,
	}, command.Args[1:]...)
	var err error
	if command.Path, err = exec.LookPath("strace"); err != nil {
		i.Fatal(err)
	}
	out, err := command.CombinedOutput()
	if exit, ended := errors.AsType[*exec.ExitError](err); !ended || !strings.Contains(exit.String(), "killed") {
		i.Fatalf("%v\n%s", err, out)
	}
	n := i.owners()
	if i.Logf("it has imported %d owners of %d", n, all); n == 0 || n >= all {
		i.Fatalf("it was not killed in the middle: %d owners of %d", n, all)
	}
}

// importKilledAtRandom imports what is left. In make verify it is killed after times at random, a dozen
// times at most.
func (i importTarget) importKilledAtRandom(source string) (out string) {
	i.Helper()
	const most = 12 // kills; then it is let through
	for kills, longest := 0, time.Second; ; kills, longest = kills+1, longest+longest/3 {
		ctx, cancel := i.Context(), func() {}
		if verify && kills < most {
			ctx, cancel = context.WithTimeout(ctx, rand.N(longest))
		}
		command := i.command(ctx, source)
		var errs strings.Builder
		command.Stderr = &errs
		text, err := command.Output()
		killed := ctx.Err() != nil
		cancel()
		if err == nil {
			return string(text)
		}
		if !killed {
			i.Fatalf("%v %s %s", err, text, &errs)
		}
		i.Logf("killed: %v", err)
	}
}

// goesOn has a device that knew half of everything go on.
func goesOn(t *testing.T, d device, each int) {
	t.Helper()
	half := uint64(2*(each/2) + 1)
	changes := d.list(half)
	if len(changes) != each-each/2-1 {
		t.Fatalf("%d changes after %d", len(changes), half)
	}
	for i, r := range changes {
		if n := each/2 + 1 + i; r.GetId() != fmt.Sprint(n) || r.GetRevision() != uint64(2*n+1) || !strings.HasSuffix(string(r.GetData()), fmt.Sprint(n)) || r.GetSchemaVersion() != "1" {
			t.Fatalf("%v", r)
		}
	}
	if reply, err := d.trySet(t.Context(), &syncpb.Record{Id: "0", Revision: 2, Data: []byte("late")}); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_CONFLICT {
		t.Fatalf("at a revision that it never had: %v, %v", reply, err)
	}
	if got := d.set("0", []byte("newer"), 1); got != uint64(2*each+1) {
		t.Errorf("revision %d follows %d", got, 2*each)
	}
	if got := d.list(uint64(2 * each)); len(got) != 1 || got[0].GetId() != "0" {
		t.Errorf("%v", got)
	}
}

// The source is only read. What is over today's limits is listed as it is. It can be written again, or deleted, where the id is one of
// today's. What is over what can be kept is named.
func TestImportOverLimits(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	longest, ordinary := strings.Repeat("i", 2000), "large"
	source := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
	source.Add(t,
		datasynctest.Record{User: u.owner(), ID: longest, Data: []byte("a"), Revision: 1},
		datasynctest.Record{User: u.owner(), ID: ordinary, Data: make([]byte, 70_000), Revision: 2},
		datasynctest.Record{User: u.owner(), ID: longest + "i", Data: []byte("a"), Revision: 3},
		datasynctest.Record{User: u.owner(), ID: "larger than is kept", Data: make([]byte, 4<<20), Revision: 4},
	)
	before, err := os.ReadFile(source.Source)
	if err != nil {
		t.Fatal(err)
	}
	dir := "SQLITE_DIR_PATH=" + t.TempDir()
	out, stderr, err := testservers.Run(t, []string{dir}, "import", "breez", "--create", source.Source)
	if err == nil {
		t.Error("what cannot be kept is passed over")
	}
	if after, err := os.ReadFile(source.Source); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source is not what it was (%v)", err)
	}
	for _, want := range []string{
		`record "` + longest + `": over today's limits, and kept as it is`, `record "` + ordinary + `": over today's limits, and kept as it is`,
		longest + `…": an id of 2001 bytes`, `record "larger than is kept": a record of `, "imported 1 owners with 2 records",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %.100s\n%.10000s%s", want, out, stderr)
		}
	}
	server := testservers.StartSyncline(t, switchedOn, dir)
	d := device{t, u, protocols[0].client(t, server.Address), ""}
	mustList := func(want ...string) {
		t.Helper()
		got := d.list(0)
		if len(got) != len(want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		for i, r := range got {
			if r.GetId() != want[i] {
				t.Errorf("%.20s, want %.20s", r.GetId(), want[i])
			}
		}
	}
	mustList(longest, ordinary)
	api := u.graphQL(t, server)
	_, err = d.trySet(t.Context(), &syncpb.Record{Id: longest, Revision: 1})
	mustFail(t, err, connect.CodeInvalidArgument, "exceeds maximum length of 64")
	if _, err := api.Delete(t.Context(), longest, 1); err == nil {
		t.Error("an id over the limits is deleted")
	}
	_, err = d.trySet(t.Context(), &syncpb.Record{Id: ordinary, Data: make([]byte, 65_537), Revision: 2})
	mustFail(t, err, connect.CodeInvalidArgument, "exceeds maximum size of 65536 bytes")
	revision := d.set(ordinary, make([]byte, 65_536), 2)
	mustList(longest, ordinary)
	if _, err := api.Delete(t.Context(), ordinary, client.Revision(revision)); err != nil {
		t.Fatal(err)
	}
	mustList(longest)
	if _, err := api.EraseAccount(t.Context(), api.Owner()); err != nil {
		t.Fatal(err)
	}
	mustList()
}
