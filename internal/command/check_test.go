package command_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/internal/redisclient"
	"syncline/internal/testservers"
)

// checked runs syncline check and answers its lines, blanks between words made one.
func checked(t *testing.T, code int, env ...string) string {
	t.Helper()
	got := run(t, env, "check")
	if got.code != code || (code == 0) != (got.errors == "") {
		t.Errorf("%s: %+v; want code %d", env, got, code)
	}
	return told(got)
}

// awaitChecked has syncline check try until it answers these lines: what it asks of Redis has
// half a second, which a busy machine may take.
func awaitChecked(t *testing.T, code int, env []string, want ...string) {
	t.Helper()
	var got result
	defer func() {
		if t.Failed() {
			t.Logf("the last: %+v", got)
		}
	}()
	testservers.Await(t, strings.Join(want, "; "), func(context.Context) bool {
		got = run(t, env, "check")
		return got.code == code && !slices.ContainsFunc(want, func(line string) bool { return !strings.Contains(told(got), "\n"+line) })
	})
}

func told(got result) string {
	var lines []string
	for line := range strings.Lines(got.out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

func wantLines(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("no line %q in %s", line, got)
		}
	}
}

// The log of go-redis is one for all of the process, so these do not run in parallel.
func TestCheck(t *testing.T) {
	dir, damaged := t.TempDir(), t.TempDir()
	fill(t, dir, 3)
	if err := os.WriteFile(filepath.Join(damaged, "syncline.db"), []byte(strings.Repeat("not a database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "a", "b")
	wantLines(t, checked(t, 0, "SQLITE_DIR_PATH="+dir, "DATABASE_URI=x"), "ok configuration valid",
		"warn configuration DATABASE_URI is not a variable", `ok database SQLite in "`+dir+`": 0 owners, 3 records`, "ok disk ")
	wantLines(t, checked(t, 0, "SQLITE_DIR_PATH="+nowhere), "warn database there is none", "ok disk ")
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("the directory was made")
	}
	wantLines(t, checked(t, 1, "SQLITE_DIR_PATH="+damaged, "MIN_FREE_DISK=1000TiB"), "fail database SQLITE_DIR_PATH: syncline.db is damaged", "fail disk ")
	wantLines(t, checked(t, 1, "LISTEN_ADDRESS=x"), "fail configuration LISTEN_ADDRESS: ")
	wantLines(t, checked(t, 1, "PUBLIC_AUTHORITIES=https://x/", "CA_CERT=x", "SQLITE_DIR_PATH="+dir), "fail configuration PUBLIC_AUTHORITIES: ", "fail certificates CA_CERT: ")
	pair, err := testservers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, checked(t, 0, "SQLITE_DIR_PATH="+dir, "TLS_CERT_FILE="+pair.File, "TLS_KEY_FILE="+pair.KeyFile, "PUBLIC_AUTHORITIES=127.0.0.1:8443,sync.example"),
		"warn certificates TLS_CERT_FILE ends at ", "warn certificates TLS_CERT_FILE is not for sync.example, which")
	wantLines(t, checked(t, 1, "SQLITE_DIR_PATH="+dir, "TLS_CERT_FILE="+pair.KeyFile, "TLS_KEY_FILE="+pair.KeyFile), "fail certificates TLS_CERT_FILE: failed to load")
	wantLines(t, checked(t, 1, "DATABASE_URL=postgres://u:hidden@127.0.0.1:1/x", "REDIS_URL=redis://:hidden@127.0.0.1:1"),
		"fail database DATABASE_URL: ", "fail Redis locks: ", "fail Redis nonces: ", "fail Redis notifications: ", "fail clock Redis does not tell")
	if out := checked(t, 1, "DATABASE_URL=postgres://u:hidden@127.0.0.1:1/x", "REDIS_URL=redis://:hidden@127.0.0.1:1"); strings.Contains(out, "hidden") {
		t.Error("it shows the password")
	}
}

func TestCheckOfPostgresAndRedis(t *testing.T) {
	env := []string{"DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t), "REDIS_URL=" + testservers.StartRedis(t).URL()}
	awaitChecked(t, 0, env, "warn database nothing is kept in ", "ok clock this machine's is ", "ok Redis locks work", "ok Redis nonces work", "ok Redis notifications work")
	if got := run(t, env, "migrate", "--create"); got.code != 0 {
		t.Fatal(got)
	}
	awaitChecked(t, 0, env, "ok database PostgreSQL test1 on ")

	client, err := redisclient.Open(strings.TrimPrefix(env[1], "REDIS_URL="))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	left, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range left { // they may be gone by now
		if ttl, err := client.PTTL(t.Context(), key).Result(); err != nil || ttl == -1 || ttl > time.Minute || !strings.HasPrefix(key, "syncline:check:") {
			t.Errorf("what it left in Redis: %s, for %v, %v", key, ttl, err)
		}
	}
	for name, value := range map[string]string{"maxmemory": "1", "maxmemory-policy": "noeviction"} {
		if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	awaitChecked(t, 1, env, "ok database", "fail Redis nonces: OOM")
	if err := client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	awaitChecked(t, 1, env, "warn Redis Redis has maxmemory-policy allkeys-lru")
}

// A file of variables serves every command; the environment goes before it.
func TestEnvFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir, 0)
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("# where\nSQLITE_DIR_PATH="+dir+"\nLOG_LEVEL=loud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, []string{"LOG_LEVEL=warn"}, "--env-file", file, "migrate"); got.code != 0 || !strings.Contains(got.out, dir) {
		t.Errorf("before the command: %+v", got)
	}
	if got := run(t, []string{"LOG_LEVEL=warn"}, "serve", "--env-file="+file); got.code != 0 || got.out != "serving" {
		t.Errorf("after the command: %+v", got)
	}
	if got := run(t, nil, "--env-file", file); got.code != 1 || !strings.HasPrefix(got.errors, `syncline: LOG_LEVEL: "loud"`) {
		t.Errorf("serving without a command: %+v", got)
	}
	if got := run(t, nil, "--env-file", file+"x"); got.code != 1 || !strings.Contains(got.errors, "no such file") {
		t.Errorf("no such file: %+v", got)
	}
}
