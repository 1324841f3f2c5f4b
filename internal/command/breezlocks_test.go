package command_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/storage/datasync/datasynctest"
)

// Locks of data-sync are waited for until the last has expired, and never for longer than 300 s, however
// far in the future that is. Time is the bubble's, which passes while everything waits.
func TestImportBreezWaitsForLocks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		lives []time.Duration // of locks, from the beginning of the import
		wait  time.Duration
		told  string // on standard error, with what it means
	}{
		{"expired", []time.Duration{-time.Hour, 0}, 0, ""},
		{"expiring", []time.Duration{10 * time.Second, 90 * time.Second, -time.Hour}, 90 * time.Second, "waiting until the last lock has expired, at "},
		{"the longest", []time.Duration{300 * time.Second}, 300 * time.Second, "waiting until the last lock has expired, at "},
		{"a second more", []time.Duration{301 * time.Second}, 300 * time.Second, "a lock is held until "},
		{"far in the future", []time.Duration{100 * 365 * 24 * time.Hour, time.Second}, 300 * time.Second, "a lock is held until "},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			source := datasynctest.SQLite(t, filepath.Join(dir, "db.sqlite"), 2)
			source.Add(t, datasynctest.Record{User: alice.String(), ID: "a", Data: []byte("hello"), Revision: 3})
			start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of each bubble
			for i, life := range test.lives {
				source.Must(t, "INSERT INTO locks (user_id, lock_name, instance_id, expires_at) VALUES ('u', 'l', $1, $2)", fmt.Sprint(i), start.Add(life).Unix())
			}
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := run(t, []string{"SQLITE_DIR_PATH=" + dir}, "import", "breez", "--create", source.Source)
				if took := time.Since(began); took < test.wait || took >= test.wait+time.Second {
					t.Errorf("it took %v, want %v", took, test.wait)
				}
				if got.code != 0 || !strings.Contains(got.out, "imported 1 owners with 1 records") || !strings.HasPrefix(got.errors, test.told) || (got.errors == "") != (test.told == "") {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}
