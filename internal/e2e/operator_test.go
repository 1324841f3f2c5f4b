package e2e

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"syncline/internal/testservers"
)

// What would serve another database than the one that is meant does not start.
func TestAnotherDatabaseThanMeant(t *testing.T) {
	t.Parallel()
	const redis = "REDIS_URL=redis://127.0.0.1:1"
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"empty":           {[]string{"DATABASE_URL="}, "DATABASE_URL: is set, but empty"},
		"empty, by Redis": {[]string{"DATABASE_URL=", redis}, "DATABASE_URL: is set, but empty"},
		"misspelt":        {[]string{"DATABASE_URI=postgres://u:hidden@127.0.0.1/x", redis}, "REDIS_URL: has no meaning without DATABASE_URL"},
		"in quotes":       {[]string{`DATABASE_URL="postgres://u:hidden@127.0.0.1/x"`}, "DATABASE_URL: is in quotes"},
		"a line's end":    {[]string{"SQLITE_DIR_PATH=" + t.TempDir() + "\r"}, "SQLITE_DIR_PATH: begins or ends with a blank"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, err := testservers.Run(t, append([]string{"SQLITE_DIR_PATH=" + t.TempDir()}, test.env...))
			if err == nil || !strings.HasPrefix(stderr, "syncline: "+test.want) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "hidden") {
				t.Errorf("%v, %q; want one line with %q", err, stderr, test.want)
			}
		})
	}
}

func TestMisspeltVariablesAreTold(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "QUOTA_RECORD=5")
	testservers.Await(t, "the log tells of it", func(context.Context) bool {
		return strings.Contains(server.Log(), "QUOTA_RECORD is not a variable of Syncline and has no effect: is QUOTA_RECORDS meant?")
	})
}

// Before it closes, an instance is seen to leave, and serves whoever comes meanwhile.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "DRAIN_DELAY=10m") // a second signal ends it
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testservers.Await(t, "it is not ready", func(ctx context.Context) bool {
		r, err := readinessOf(ctx, server)
		return err == nil && r.code == http.StatusServiceUnavailable && r.Status == "draining"
	})
	for range 20 { // each by a connection of its own
		if _, err := newClient(t, server.URL(), newKey(t)).Set(t.Context(), "a", nil, 0); err != nil {
			t.Fatal("a write while it leaves: ", err)
		}
	}
	if status, _ := fetch(t, http.MethodGet, "http://"+server.Address+"/livez"); status != http.StatusOK {
		t.Errorf("/livez says %d", status)
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
}

// Without descriptors, connections wait, and the log says for what.
func TestFileDescriptorsUsedUp(t *testing.T) {
	t.Parallel()
	server := testservers.StartSynclineBy(t, []string{"sh", "-c", `ulimit -n 64; exec "$0"`}, "MAX_CONNECTIONS=1000")
	var open []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", server.Address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	testservers.Await(t, "the log tells of it", func(context.Context) bool {
		return strings.Contains(server.Log(), "level=ERROR") && strings.Contains(server.Log(), "no file descriptor is left")
	})
	for _, conn := range open {
		conn.Close()
	}
	if _, err := newClient(t, server.URL(), newKey(t)).Set(t.Context(), "a", nil, 0); err != nil {
		t.Error("with descriptors again: ", err)
	}
}
