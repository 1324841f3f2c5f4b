package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/internal/testservers"
)

func TestAgainstTheServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	for name, test := range map[string]func(device){
		"records": testRecords, "erase": testErase, "data": testData, "json": testJSON, "feed": testFeed, "listen": testListen,
		"locks": testLocks, "commands under a lock": testLockedCommand, "waiting for a lock": testLockWait, "sign": testSign, "another URL": testOtherURL,
		"bytes": testBytes, "input": testInput, "many ids": testManyIDs, "a closed pipe": testPipe, "text": testText,
		"signals": testSignals, "a deaf command": testDeafCommand, "a lost lock": testLostLock, "left behind": testLeftBehind, "an interrupted wait": testInterruptedWait,
		"a terminal": testTerminal, "job control": testJobControl, "a pager": testPager, "a background job": testBackgroundJob,
		"a batch": testBatch, "encryption": testEncrypt, "a command for each change": testExec, "watching a lock": testWatch, "doctor": testDoctor, "debug": testDebug, "no TLS": testTLS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newDevice(t, server.URL()))
		})
	}
}

// testOtherURL has the address of the server in place of the endpoint's.
func testOtherURL(d device) {
	d.url = strings.TrimSuffix(d.url, "/graphql")
	for _, command := range []string{"whoami", "listen"} {
		d.run(command).wants(exitError, "", "the URL is that of the GraphQL endpoint, which usually ends in /graphql")
	}
}

func testRecords(d device) {
	d.run("whoami").wants(exitOK, "records   0\n", "")
	d.run("set", "a", "one").wants(exitOK, "a is at revision 1\n", "")
	d.run("set", "a", "two").wants(exitConflict, "data      one\n", "is at revision 1")
	d.run("set", "a", "two", "--revision", "1").wants(exitOK, "revision 2", "")
	d.run("set", "a", "three", "--last-seen").wants(exitOK, "revision 3", "")
	d.run("set", "b", "new", "--last-seen", "--schema-version", "v1", "--client-id", "desk").wants(exitOK, "revision 4", "")
	d.run("get", "b").wants(exitOK, "schema    v1\nclient    desk\n", "")
	d.run("get", "a", "b").wants(exitOK, "data      three\n\nid        b\n", "")
	d.run("get", "a", "missing").wants(exitNotFound, "three", "no such record: missing")
	d.run("whoami").wants(exitOK, "records   2\n", "")

	d.run("delete", "a", "--revision", "2").wants(exitConflict, "three", "")
	d.run("delete", "a", "--last-seen").wants(exitOK, "a was deleted at revision 5\n", "")
	d.run("get", "a").wants(exitOK, "deleted   yes\n", "")
	d.run("get", "a", "--raw").wants(exitNotFound, "", "a")
	d.run("delete", "missing", "--last-seen").wants(exitNotFound, "", "no such record")
	d.run("delete", "missing", "--revision", "1").wants(exitConflict, "", "does not exist")

	d.run("set", strings.Repeat("x", 65), "").wants(exitRefused, "", "BAD_USER_INPUT: input.id")
	d.run("set", "c", "x", "--fence", "never=1").wants(exitRefused, "", "BAD_USER_INPUT")
	d.run("set", "c", "x", "--mutation-id", "m").wants(exitOK, "is at revision 6\n", "")
	d.run("set", "c", "x", "--mutation-id", "m").wants(exitOK, "since an earlier try", "")
	d.run("set", "c", "y", "--mutation-id", "m").wants(exitRefused, "", "MUTATION_ID_REUSED")
	d.with("SYNCLINE_FENCE=", "SYNCLINE_CLIENT_ID=").run("set", "d", "x").wants(exitOK, "is at revision 7\n", "") // as if they were not set
}

func testErase(d device) {
	owner := strings.TrimSpace(d.run("whoami", "--offline").out)
	d.run("set", "a", "x").wants(exitOK, "", "")
	d.run("erase", "02c0ffee").wants(exitUsage, "", "no public key")
	d.run("erase", strings.TrimSpace(newDevice(d.t, d.url).run("whoami", "--offline").out)).wants(exitUsage, "", "not your key, which is "+owner)
	d.run("whoami").wants(exitOK, "records   1\n", "")
	d.run("erase", owner, "--mutation-id", "m").wants(exitOK, owner+" has no data any more: 1 records were erased\n", "")
	d.run("get", "a").wants(exitNotFound, "", "no such record")
	d.run("set", "b", "since").wants(exitOK, "", "")
	d.run("erase", owner, "--mutation-id", "m", "--json").wants(exitOK, `"erasedRecords":1`, "")
	d.run("get", "b").wants(exitOK, "since", "")
}

func testData(d device) {
	raw := "\x00\x1b[31m\xff" // what a terminal must not get
	file := filepath.Join(d.t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.run("set", "at", "@"+file).wants(exitOK, "", "")
	d.run("set", "file", "--file", file).wants(exitOK, "", "")
	d.runWith(d.t.Context(), raw, "set", "stdin", "-").wants(exitOK, "", "")
	d.run("set", "empty", "").wants(exitOK, "", "")
	d.run("set", "lines", "one\ntwo").wants(exitOK, "", "")
	for _, id := range []string{"at", "file", "stdin"} {
		if got := d.run("get", "--raw", id); got.out != raw {
			d.t.Errorf("%s: %q", id, got.out)
		}
		if got := d.run("get", id).wants(exitOK, "size      7 B\nbase64    ABtbMzFt/w==\n", ""); strings.Contains(got.out, raw) {
			d.t.Errorf("%s: raw bytes on the terminal: %q", id, got.out)
		}
	}
	d.run("get", "empty").wants(exitOK, "data      \n", "")
	d.run("get", "lines").wants(exitOK, "data      one\n          two\n", "")
	d.run("set", "a", "@/no/such/file").wants(exitError, "", "no such file")
}

func testJSON(d device) {
	w := d.run("--json", "set", "a", "<hi>").wants(exitOK, `"status":"SUCCESS"`, "").json()[0]
	if w["newRevision"] != 1.0 || w["record"].(map[string]any)["data"] != "PGhpPg==" {
		d.t.Errorf("%v", w)
	}
	r := d.run("--json", "get", "a").wants(exitOK, "", "").json()[0]
	if r["id"] != "a" || r["clientId"] != nil || r["deleted"] != false || !strings.HasSuffix(r["updatedAt"].(string), "Z") {
		d.t.Errorf("%v", r)
	}
	e := d.run("--json", "set", "a", "x").wants(exitConflict, "", "").json()[0]
	if e["code"] != "CONFLICT" || e["exitCode"] != 3.0 || e["record"].(map[string]any)["revision"] != 1.0 {
		d.t.Errorf("%v", e)
	}
	e = d.run("--json", "changes", "--since", "nonsense").wants(exitRefused, "", "").json()[0]
	if e["code"] != "BAD_USER_INPUT" || e["field"] != "since" {
		d.t.Errorf("%v", e)
	}
}

func testFeed(d device) {
	d.run("set", "short", "1")
	d.run("set", "a-longer-id", strings.Repeat("long ", 100))
	d.run("delete", "short", "--last-seen")
	got := d.run("changes").wants(exitOK, "REVISION  ID           UPDATED              DATA\n2         a-longer-id  ", "")
	if longest := len(strings.Split(got.out, "\n")[1]); longest > 120 {
		d.t.Errorf("a line of %d bytes", longest)
	}
	d.run("changes", "--since", "2").wants(exitOK, "short", "")
	d.run("changes", "--since", "2").wants(exitOK, "(deleted)", "")
	page := d.run("--json", "changes", "--since", "1", "--first", "1").wants(exitOK, "", "").json()
	if len(page) != 2 || page[1]["hasMore"] != true || page[1]["head"] != 3.0 {
		d.t.Fatalf("%v", page)
	}
	rest := d.run("--json", "changes", "--since", page[1]["cursor"].(string)).wants(exitOK, "", "").json()
	if len(rest) != 2 || rest[0]["deleted"] != true || rest[1]["hasMore"] != false {
		d.t.Errorf("%v", rest)
	}
	d.run("changes", "--since", "99").wants(exitRefused, "", "EPOCH_MISMATCH")
	d.run("listen", "--since", "99").wants(exitRefused, "", "EPOCH_MISMATCH")
}

// testListen reads the output of a listener as it comes, and interrupts it.
func testListen(d device) {
	d.run("set", "before", "x")
	l := start(d, "--json", "listen", "--since", "0")
	l.next(`"id":"before"`)
	l.next("CAUGHT_UP")
	d.run("set", "live", "y").wants(exitOK, "", "")
	cursor := result{t: d.t, out: l.next(`"id":"live"`)}.json()[0]["cursor"].(string)
	l.signal(os.Interrupt)
	l.ends(exitOK)
	d.run("changes", "--since", cursor).wants(exitOK, "cursor "+cursor, "")
}

func testLocks(d device) {
	d.run("locked", "l").wants(exitOK, "l is free\n", "")
	got := d.run("--json", "lock", "l", "--ttl", "60s").wants(exitOK, `"token":1`, "").json()[0]
	instance := got["instanceId"].(string)
	d.run("lock", "l").wants(exitHeld, instance, "held")
	if e := d.run("--json", "lock", "l").wants(exitHeld, "", "").json()[0]; e["code"] != "HELD" {
		d.t.Errorf("%v", e)
	}
	d.run("locked", "l").wants(exitOK, "l is locked\nINSTANCE", "")
	d.run("locked", "l", "--exit-code").wants(exitHeld, instance, "")
	d.run("lock", "l", "--instance", instance).wants(exitOK, "token     1\n", "syncctl unlock")
	d.run("unlock", "l", "--instance", instance).wants(exitOK, "l is released\n", "")
	d.run("locked", "l", "--exit-code").wants(exitOK, "free", "")

	d.run("lock", "s", "--shared").wants(exitOK, "", "")
	d.run("lock", "s", "--shared").wants(exitOK, "", "")
	d.run("locked", "s").wants(exitOK, "s is locked, shared\n", "")
	d.run("lock", "s").wants(exitHeld, "", "2 other")
	d.run("lock", "l", "--ttl", "1500ms").wants(exitRefused, "", "whole seconds")
}

func testLockedCommand(d device) {
	d.run("lock", "l", "--", "sh", "-c", `echo "$SYNCLINE_FENCE $SYNCLINE_LOCK $SYNCLINE_TOKEN"; exit 9`).wants(9, "l=1 l 1\n", "")
	d.run("locked", "l").wants(exitOK, "free", "")
	d.run("lock", "l", "--", "sh", "-c", "kill -9 $$").wants(128+int(syscall.SIGKILL), "", "")
	d.run("lock", "l", "--", "/no/such/command").wants(127, "", "there is no command")
	d.run("locked", "l").wants(exitOK, "free", "")
	d.runWith(d.t.Context(), "input", "lock", "l", "--", "cat").wants(exitOK, "input", "")
	d.run("set", "a", "x", "--fence", "l=3").wants(exitOK, "", "")
	d.run("set", "a", "y", "--last-seen", "--fence", "l=1").wants(exitRefused, "", "FENCED")
	inside := d.with("SYNCLINE_URL="+d.url, "SYNCLINE_KEY="+d.key)
	if nested := inside.run("lock", "outer", "--", "syncctl", "lock", "inner", "--", "printenv", "SYNCLINE_FENCE").wants(exitOK, "inner=", ""); strings.Contains(nested.out, "outer=") {
		d.t.Errorf("the fence of the outer lock is there, too: %s", nested.out)
	}

	// Somebody takes the lock away: the command is ended, by SIGTERM.
	marker := filepath.Join(d.t.TempDir(), "token")
	done := make(chan result, 1)
	go func() {
		done <- d.run("lock", "lost", "--instance", "thief", "--ttl", "1s", "--", "sh", "-c", "touch "+marker+"; exec sleep 120")
	}()
	await(d.t, func() bool { _, err := os.Stat(marker); return err == nil })
	d.run("unlock", "lost", "--instance", "thief").wants(exitOK, "", "")
	began := time.Now()
	(<-done).wants(exitLockLost, "", "lost")
	if took := time.Since(began); took > time.Minute {
		d.t.Errorf("the command went on for %v", took)
	}
}

// await polls a condition that comes from another process.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen within a minute")
		}
	}
}

func testLockWait(d device) {
	d.run("lock", "l", "--instance", "first").wants(exitOK, "", "")
	d.run("lock", "l", "--wait", "200ms", "--", "true").wants(exitHeld, "first", "")
	done := make(chan result, 1)
	go func() { done <- d.run("lock", "l", "--wait", "1m", "--", "echo", "my turn") }()
	d.run("unlock", "l", "--instance", "first").wants(exitOK, "", "")
	(<-done).wants(exitOK, "my turn\n", "")
	d.run("lock", "l", "--wait", "1s").wants(exitUsage, "", "--wait")
}

func testSign(d device) {
	query := `query($id: ID!) { record(id: $id) { id } viewer { id } }`
	command := d.run("sign", query, "--variables", `{"id": "it's"}`).wants(exitOK, "curl -sS ", "")
	owner := strings.TrimSpace(d.run("whoami", "--offline").out)
	if got, want := send(d.t, command.out), `{"data":{"record":null,"viewer":{"id":"`+owner+`"}}}`; got != want {
		d.t.Errorf("%s\nwant %s", got, want)
	}
	d.runWith(d.t.Context(), "{ limits { maxBatch } }", "--json", "sign", "-").wants(exitOK, `maxBatch`, "")
	d.run("sign", "{ viewer { id } }", "--variables", "[1]").wants(exitUsage, "", "--variables")

	// What curl would read as a pattern, or as an argument that is too long.
	plain := d.url
	d.url = plain + "?x={a,b}&y=[1-2]&z=it's"
	if got := send(d.t, d.run("sign", "{ viewer { id } }").out); !strings.Contains(got, owner) {
		d.t.Errorf("%s", got)
	}
	d.url = plain
	long := d.runWith(d.t.Context(), `{"id": "a", "more": "`+strings.Repeat("x", 300<<10)+`"}`, "sign", query, "--variables", "-")
	if got := send(d.t, long.out); !strings.Contains(got, owner) {
		d.t.Errorf("%s", got)
	}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }))
	defer echo.Close()
	d.url = echo.URL + "/a/./../graphql"
	if got := send(d.t, d.run("sign", "{ viewer { id } }").out); got != "/a/./../graphql" {
		d.t.Errorf("what was signed is sent as %s", got)
	}
	for _, wrong := range []string{"ftp://localhost/graphql", "http:///graphql", "http://a:b@localhost/graphql", "localhost:8080"} {
		d.url = wrong
		d.run("sign", "{ viewer { id } }").wants(exitUsage, "", "")
		d.run("whoami").wants(exitUsage, "", "")
	}
}

// send runs a command that was printed, in a shell, with the curl that is there.
func send(t *testing.T, command string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh")
	shell.Stdin = strings.NewReader(command)
	answer, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	return strings.TrimSpace(string(answer))
}
