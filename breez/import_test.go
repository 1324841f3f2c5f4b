package breez_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
	"syncline/storage/datasync/datasynctest"
)

// Clients of an imported database go on from what they know. In make verify the import is
// killed again and again, and each source goes into each target; with SYNCLINE_LONG=1 these
// have 100,000 records of 1,000 owners.
func TestImport(t *testing.T) {
	t.Parallel()
	users, each := 20, 10
	if verify {
		users, each = 200, 50
	}
	if os.Getenv("SYNCLINE_LONG") != "" {
		users, each = 1000, 100
	}
	postgres := testservers.StartPostgres(t)
	inSQLite := datasynctest.SQLite(t, filepath.Join(t.TempDir(), "db.sqlite"), 2)
	inPostgres := datasynctest.Postgres(t, postgres.NewURL(t), 1)
	devices := fillDatasync(t, users, each, inSQLite, inPostgres)
	for name, test := range map[string]struct {
		source, target string
		often          bool
	}{
		"SQLite to SQLite":                    {inSQLite.Source, "SQLITE_DIR_PATH=" + t.TempDir(), false},
		"SQLite to PostgreSQL":                {inSQLite.Source, "DATABASE_URL=" + postgres.NewURL(t), false},
		"PostgreSQL to SQLite":                {inPostgres.Source, "SQLITE_DIR_PATH=" + t.TempDir(), true},
		"PostgreSQL to the database it is in": {inPostgres.Source, "DATABASE_URL=" + inPostgres.Source, true},
	} {
		if !verify && !test.often {
			continue // storage/datasync tests each, without a server
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := test.target
			out := importKilled(t, target, test.source)
			if want := fmt.Sprintf("the same here as there, by SHA-256: %d owners with %d records,", users+1, users*each+3); !strings.Contains(out, want) {
				t.Errorf("%s\nwant %s", out, want)
			}
			server := testservers.StartSyncline(t, switchedOn, target, "RATE_LIMITS=off")
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

// fillDatasync gives users records, every second revision, and one more user some that are
// larger than is taken today.
func fillDatasync(t *testing.T, users, each int, databases ...datasynctest.Database) (made []user) {
	var rows []datasynctest.Record
	for range users + 1 {
		u := newUser(t)
		made = append(made, u)
		name := fmt.Sprintf("%x", u.key.PubKey().SerializeCompressed())
		if len(made) > users {
			for i, size := range []int{4_100_000, 4_100_000, 1} {
				rows = append(rows, datasynctest.Record{User: name, ID: string(rune('a' + i)), Data: make([]byte, size), Revision: int64(i + 1)})
			}
			break
		}
		for i := range each {
			rows = append(rows, datasynctest.Record{User: name, ID: fmt.Sprint(i), Data: fmt.Append(nil, name[:10], i), Revision: int64(2*i + 1), SchemaVersion: "1"})
		}
		for _, d := range databases {
			d.Head(t, name, int64(2*each))
		}
	}
	for _, d := range databases {
		d.Add(t, rows...)
	}
	return made
}

// importKilled imports. In make verify it is killed after times at random, a dozen times at
// most.
func importKilled(t *testing.T, target, source string) (out string) {
	t.Helper()
	const most = 12 // kills; then it is let through
	for kills, longest := 0, time.Second; ; kills, longest = kills+1, longest+longest/3 {
		ctx, cancel := t.Context(), func() {}
		if verify && kills < most {
			ctx, cancel = context.WithTimeout(ctx, rand.N(longest))
		}
		command := testservers.Command(t, ctx, []string{target}, "import", "breez", "--create", source)
		var errs strings.Builder
		command.Stderr = &errs
		text, err := command.Output()
		killed := ctx.Err() != nil
		cancel()
		if err == nil {
			return string(text)
		}
		if !killed {
			t.Fatalf("%v %s %s", err, text, &errs)
		}
		t.Logf("killed: %v", err)
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
