package e2e

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"syncline/client"
	"syncline/internal/testservers"
)

// A service moves from SQLite to PostgreSQL and back, and its client does not notice:
// its cursor goes on, a write that it sends again is known, and the lock that it
// holds is still its own.
func TestMove(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	server := testservers.StartSyncline(t)
	both := []string{"SQLITE_DIR_PATH=" + server.Dir, "DATABASE_URL=" + postgres.NewURL(t)}
	c := newClient(t, server.URL(), newKey(t))
	if _, err := c.Set(t.Context(), "before", []byte{0, 255, '\''}, 0); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	runProgram(t, both[:1], "new-epoch") // heads to carry over
	server.Start()
	deleted, err := c.Set(t.Context(), "deleted", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Delete(t.Context(), "deleted", deleted.Revision); err != nil {
		t.Fatal(err)
	}
	grant, err := c.SetLock(t.Context(), "lock", client.WithInstanceID("here"), client.WithTTL(client.MaxTTL))
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.Changes(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	again := func() (client.Written, error) {
		return c.Set(t.Context(), "again", []byte("ü"), 0, client.WithMutationID("once"), client.WithSchemaVersion("1"))
	}
	first, err := again()
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if replayed, err := again(); err != nil || replayed.Revision != first.Revision || !replayed.Replayed {
			t.Errorf("the write that was sent again: %+v, %v", replayed, err)
		}
		if rest, err := c.Changes(t.Context(), page.Cursor, 100); err != nil || len(rest.Records) != 1 || rest.Records[0].ID != "again" || string(rest.Records[0].Data) != "ü" {
			t.Errorf("what comes after the cursor: %+v, %v", rest, err)
		}
		if renewed, err := c.SetLock(t.Context(), "lock", client.WithInstanceID("here"), client.WithTTL(client.MaxTTL)); err != nil || renewed.Token != grant.Token {
			t.Errorf("the lock: %+v, %v; want the token %d", renewed, err, grant.Token)
		}
	}
	check()
	if _, stderr, err := testservers.Run(t, both, "move", "--to", "postgres"); err == nil || !strings.Contains(stderr, "another process has it open") {
		t.Errorf("while a server runs: %v, %s", err, stderr)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	before := dump(t, server.Dir)
	out, stderr, err := testservers.Run(t, both, "move", "--to", "postgres")
	if err != nil || !strings.Contains(out, "syncline_records: 3 rows\n") || !strings.Contains(out, "moved from ") {
		t.Fatalf("%v, %s%s", err, out, stderr)
	}
	if _, stderr, err := testservers.Run(t, both, "move", "--to", "postgres"); err == nil || !strings.Contains(stderr, "there is data in it already") {
		t.Errorf("a second time: %v, %s", err, stderr)
	}
	back := t.TempDir()
	runProgram(t, []string{"SQLITE_DIR_PATH=" + back, both[1]}, "move", "--to", "sqlite")
	if after := dump(t, back); !slices.Equal(before, after) {
		t.Errorf("there and back again:\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	server.Set(both[1])
	server.Start()
	check()
}

// dump is all that is kept in a directory's database, a line for each row.
func dump(t *testing.T, dir string) (lines []string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "syncline.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	query := func(query string) (all [][]any) {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			values, places := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				places[i] = &values[i]
			}
			if err := rows.Scan(places...); err != nil {
				t.Fatal(err)
			}
			all = append(all, values)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, table := range query("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'syncline_%' AND name NOT LIKE '%migrations%'") {
		for _, row := range query(fmt.Sprint("SELECT * FROM ", table[0])) {
			lines = append(lines, fmt.Sprintf("%s %#v", table[0], row))
		}
	}
	slices.Sort(lines)
	return lines
}
