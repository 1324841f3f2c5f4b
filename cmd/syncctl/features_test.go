package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// testBatch writes JSON lines, all or none.
func testBatch(d device) {
	lines := func(in string, args ...string) result {
		return d.runWith(d.t.Context(), in, append([]string{"write"}, args...)...)
	}
	lines("{\"id\":\"n/1\",\"text\":\"milk\"}\n\n{\"id\":\"n/2\",\"data\":\"AAE=\",\"schemaVersion\":\"v1\"}\n{\"id\":\"other\",\"text\":\"\"}\n").
		wants(exitOK, "n/1 is at revision 1\nn/2 is at revision 2\nother is at revision 3\n", "")
	d.run("get", "--raw", "n/2").wants(exitOK, "\x00\x01", "")

	got := lines("{\"id\":\"n/1\",\"text\":\"x\",\"revision\":1}\n{\"id\":\"n/2\",\"text\":\"y\"}\n{\"id\":\"other\",\"deleted\":true,\"revision\":9}").wants(exitConflict, "", "")
	if got.err != "syncctl: record \"n/2\" is at revision 2\nsyncctl: record \"other\" is at revision 3\n" {
		d.t.Errorf("%q", got.err)
	}
	if all := lines(`{"id":"n/2","text":"y"}`, "--json").wants(exitConflict, "", "").json(); len(all) != 1 || all[0]["id"] != "n/2" || all[0]["code"] != "CONFLICT" {
		d.t.Errorf("%v", all)
	}
	d.run("get", "--raw", "n/1").wants(exitOK, "milk", "")

	// What was printed can be written again.
	lines(d.run("--json", "list", "n/").wants(exitOK, "", "").out, "--mutation-id", "m").wants(exitOK, "n/1 is at revision 4\n", "")
	lines(`{"id":"n/1","text":"z"}`, "--last-seen").wants(exitOK, "n/1 is at revision 6\n", "")
	lines("{\"id\":\"n/1\",\"deleted\":true}\n{\"id\":\"new\",\"text\":\"\"}", "--last-seen").wants(exitOK, "n/1 was deleted at revision 7\n", "")

	d.run("set", "last", "x").wants(exitOK, "", "")
	last := d.run("--json", "changes", "--since", "8").wants(exitOK, "hasMore", "").out
	lines(last).wants(exitOK, "last is at revision ", "")
	lines(`{"id":"smile","text":"\\ud83d \ud83d\ude00 \u00e9"}`).wants(exitOK, "", "")
	d.run("get", "--raw", "smile").wants(exitOK, `\ud83d 😀 é`, "")
	d.run("delete", "smile", "--last-seen").wants(exitOK, "", "")
	d.run("delete", "last", "--last-seen").wants(exitOK, "", "")

	d.run("list", "n/").wants(exitOK, "n/2", "")
	if ids := d.run("list", "--ids").wants(exitOK, "", "").out; ids != "n/2\nnew\nother\n" {
		d.t.Errorf("%q", ids)
	}
	for in, says := range map[string]string{
		"":                                     "nothing to write",
		"{\"id\":\"a\",\"text\":\"\"}\nno":     "line 2",
		`{"id":"a"}`:                           "line 1: give text, or data",
		`{"id":"a","txt":"x"}`:                 "txt",
		`{"text":"x"}`:                         "no id",
		`{"id":"a","text":"x"} {}`:             "one object a line",
		`{"id":"a","text":"x","deleted":true}`: "no data",
		"{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"b\",\"text\":\"caf\xe9\"}": "line 2: it is not valid UTF-8",
		`{"id":"a","text":"\ud83d"}`:                                        "surrogate",
		`{"id":"a","text":"\ude00\ud83d"}`:                                  "surrogate",
		`{"id":"a","text":"\\\ud83dx"}`:                                     "surrogate",
	} {
		lines(in).wants(exitUsage, "", says)
	}
}

// testExec runs a command for each change, and keeps its place.
func testExec(d device) {
	dir := d.t.TempDir()
	cursor := filepath.Join(dir, "cursor")
	d.run("set", "a", "one\n").wants(exitOK, "", "")
	d.run("set", "gone", "x").wants(exitOK, "", "")
	d.run("delete", "gone", "--last-seen", "--client-id", "desk").wants(exitOK, "", "")
	script := `echo "$SYNCLINE_RECORD_ID $SYNCLINE_RECORD_REVISION [$SYNCLINE_RECORD_DELETED] [$SYNCLINE_RECORD_CLIENT_ID] $(cat)"; test "$SYNCLINE_RECORD_ID" != bad`
	if err := os.WriteFile(cursor, []byte("1\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	l := start(d, "listen", "--cursor-file", cursor, "--exec", script)
	l.next("gone 3 [1] [desk] \n")
	d.run("set", "b", "two").wants(exitOK, "", "")
	l.next("b 4 [] [] two\n")
	d.run("set", "bad", "x").wants(exitOK, "", "")
	l.next("bad 5 ")
	l.ends(1) // the command's own code

	// It was not handled: it comes again.
	l = start(d, "listen", "--cursor-file", cursor, "--exec", `echo "again $SYNCLINE_RECORD_ID"; echo y | head -c 1 >/dev/null`)
	l.next("again bad\n")
	d.run("set", "c", strings.Repeat("x", 60000)).wants(exitOK, "", "") // more than the command reads
	l.next("again c\n")
	l.signal(os.Interrupt)
	l.ends(exitOK)

	// Ctrl-C while a command runs is an interrupt like any other.
	s := open(d, d.command("listen", "--since", "0", "--exec", "echo handling; exec sleep 600"))
	s.until("handling")
	s.typed("\x03")
	s.ends(exitOK)

	// An empty file means the beginning, not now: nothing is missed.
	for _, args := range [][]string{{"--since", ""}, {"--cursor-file", "/dev/null"}} {
		if args[0] == "--cursor-file" {
			args[1] = filepath.Join(dir, "empty")
			if err := os.WriteFile(args[1], nil, 0o600); err != nil {
				d.t.Fatal(err)
			}
		}
		l = start(d, append([]string{"listen"}, args...)...)
		l.next("  a  ")
		l.signal(os.Interrupt)
		l.ends(exitOK)
	}
}

// testWatch follows a lock.
func testWatch(d device) {
	w := start(d, "--json", "locked", "--watch", "l")
	w.next(`"locked":false`)
	d.run("lock", "l", "--instance", "me").wants(exitOK, "", "")
	w.next(`"instanceId":"me"`)
	d.run("unlock", "l", "--instance", "me").wants(exitOK, "", "")
	w.next(`"locked":false`)
	w.signal(os.Interrupt)
	w.ends(exitOK)
}

// testDoctor finds what is right, and the first thing that is wrong.
func testDoctor(d device) {
	d.run("doctor").wants(exitOK, "ok    websocket live\n", "")
	for _, step := range d.run("--json", "doctor").wants(exitOK, "", "").json() {
		if step["ok"] != true {
			d.t.Errorf("%v", step)
		}
	}
	key, err := os.ReadFile(d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	piped := d
	piped.key = "-"
	piped.runWith(d.t.Context(), string(key), "doctor").wants(exitOK, "ok    websocket live\n", "")
	d.run("doctor", "--clock-correction", "0s").wants(exitError, "FAIL  clock", "")
	d.url += "x"
	d.run("doctor").wants(exitError, "FAIL  server", "GraphQL endpoint")
	d.key += "x"
	d.run("doctor").wants(exitError, "FAIL  key", "syncctl keygen")
}

// testTLS has a server without TLS where some is expected: that is told at once.
func testTLS(d device) {
	d.url = strings.Replace(d.url, "http:", "https:", 1)
	d.run("--timeout", "10m", "whoami").wants(exitUnreachable, "", "HTTP response to HTTPS client")
	d.run("listen").wants(exitUnreachable, "", "TLS handshake")
}

func TestContexts(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	d := device{t: t}.with("HOME=" + home)
	do := func(code int, out, err string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := d.bare(args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		result{t, strings.Join(args, " "), exitOf(cmd), stdout.String(), stderr.String()}.wants(code, out, err)
	}
	for _, name := range []string{"home", "work"} {
		key := filepath.Join(home, name)
		do(exitOK, "key of", "", "--key", key, "keygen")
		do(exitOK, name+" is stored", "", "context", "set", name, "--url", "http://"+name+".invalid/graphql", "--key", key)
	}
	do(exitOK, "   NAME  URL                          KEY\n*  home  http://home.invalid/graphql  "+home+"/home\n   work  ", "", "context", "list")
	do(exitUnreachable, home+"/home is that", "", "doctor", "--timeout", "1ms")
	owner := func(args ...string) string {
		out, err := d.bare(append(args, "whoami", "--offline")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first, second := owner(), owner("--context", "work")
	if first == second || owner("--key", filepath.Join(home, "work")) != second {
		t.Error("the contexts have one key")
	}
	do(exitOK, "work is in use", "", "context", "use", "work")
	if owner() != second {
		t.Error("the other context is not in use")
	}
	d.env = append(d.env, "SYNCLINE_KEY="+filepath.Join(home, "home"))
	if owner() != first || owner("--context", "work") != second {
		t.Error("a flag comes before a variable, and that before the context in use")
	}
	d.env = append(d.env, "SYNCLINE_URL=http://variable.invalid/graphql")
	do(exitOK, "http://work.invalid/graphql", "", "--context", "work", "--json", "sign", "{ viewer { id } }")
	do(exitOK, "http://variable.invalid/graphql", "", "--json", "sign", "{ viewer { id } }")
	do(exitOK, "work is stored", "", "context", "set", "work", "--client-id", "desk")
	do(exitOK, "work  http://work.invalid/graphql  "+home+"/work\n", "", "context", "list")
	do(exitUsage, "", "no context", "--context", "nowhere", "whoami")
	do(exitOK, "forgotten", "", "context", "delete", "work")
	do(exitOK, "", "", "--json", "context", "list")
}

// A key is found where it should be, and never in the working directory.
func TestWhereTheKeyIs(t *testing.T) {
	t.Parallel()
	home, dir := t.TempDir(), t.TempDir()
	keygen := func(code int, err string, env ...string) {
		t.Helper()
		var stderr bytes.Buffer
		cmd := device{t: t}.with(env...).bare("keygen")
		cmd.Dir, cmd.Stderr = dir, &stderr
		_ = cmd.Run()
		if exitOf(cmd) != code || !strings.Contains(stderr.String(), err) {
			t.Errorf("%v: code %d, %s", env, exitOf(cmd), stderr.String())
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v: %v is in the working directory", env, left)
		}
	}
	keygen(exitUsage, "--key", "HOME=", "XDG_CONFIG_HOME=")
	keygen(exitUsage, "--key", "HOME=here", "XDG_CONFIG_HOME=")
	keygen(exitOK, "", "HOME="+home, "XDG_CONFIG_HOME=here", "SYNCLINE_KEY=", "SYNCLINE_KEY_FILE=")
	if _, err := os.Stat(filepath.Join(home, ".config", "syncline", "key")); err != nil {
		t.Error(err)
	}
}

func TestKeyForms(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	owner := d.run("keygen", "--json").json()[0]["owner"].(string)
	line, err := os.ReadFile(d.key)
	if err != nil {
		t.Fatal(err)
	}
	utf16 := []byte("\xff\xfe")
	for _, c := range line {
		utf16 = append(utf16, c, 0)
	}
	for name, content := range map[string][]byte{
		"a byte-order mark": append([]byte("\ufeff"), line...), "UTF-16 with Windows lines": append(utf16, '\r', 0), "no line end": bytes.TrimSpace(line),
	} {
		at := d
		at.key = filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(at.key, content, 0o400); err != nil {
			t.Fatal(err)
		}
		if got := at.run("whoami", "--offline").wants(exitOK, owner, ""); got.code != exitOK {
			t.Error(name)
		}
		if err := os.Chmod(at.key, 0o444); err != nil { // as secrets of containers are
			t.Fatal(err)
		}
		at.run("whoami", "--offline").wants(exitOK, owner, "")
	}
	if out, err := d.with("SYNCLINE_KEY_FILE="+d.key).bare("whoami", "--offline").Output(); err != nil || !strings.Contains(string(out), owner) {
		t.Errorf("%v, %s", err, out)
	}
	d.key = "-"
	d.runWith(t.Context(), string(line), "whoami", "--offline").wants(exitOK, owner, "")
	d.runWith(t.Context(), string(line), "set", "a", "-").wants(exitUsage, "", "standard input can be read once")
}

// A link to the key stays a link.
func TestReplacedThroughALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(dir, "link")}
	target := filepath.Join(dir, "real")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, d.key); err != nil {
		t.Fatal(err)
	}
	d.run("keygen", "--force").wants(exitOK, "", "")
	if to, err := os.Readlink(d.key); err != nil || to != target {
		t.Errorf("%s, %v", to, err)
	}
	if content, err := os.ReadFile(target); err != nil || len(content) != 65 {
		t.Errorf("%q, %v", content, err)
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := file("one", "correct horse\n"), file("two", "battery staple\n")
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(dir, "key")}
	owner := d.run("keygen", "--json", "--passphrase", "--passphrase-file", one).wants(exitOK, "", "").json()[0]["owner"].(string)
	d.with("SYNCLINE_PASSPHRASE_FILE="+one).run("whoami", "--offline").wants(exitOK, owner, "")
	d.run("whoami", "--offline", "--passphrase-file", two).wants(exitError, "", "the passphrase is wrong")

	// Other tools open it.
	protected, err := os.ReadFile(d.key)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.NewScryptIdentity("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := age.Decrypt(armor.NewReader(bytes.NewReader(protected)), identity); err != nil {
		t.Error(err)
	}

	// Who sits at a terminal is asked, and what is typed does not show.
	s := open(d, d.command("whoami", "--offline"))
	s.until("Passphrase of your key: ")
	s.typed("correct horse\n")
	if shown := s.until(owner); strings.Contains(shown, "horse") {
		t.Errorf("%s", shown)
	}
	s.ends(exitOK)
	s = open(d, d.command("whoami", "--offline"))
	s.until("Passphrase of your key: ")
	s.typed("\x03")
	s.ends(130)

	// It keeps its passphrase on its way to another device.
	phone := d
	phone.key = filepath.Join(dir, "phone")
	s = open(d, phone.command("key", "import", d.key))
	s.until("Passphrase of the imported key: ")
	s.typed("correct horse\n")
	s.until(owner)
	s.ends(exitOK)
	phone.run("whoami", "--offline", "--passphrase-file", two).wants(exitError, "", "the passphrase is wrong")
	phone.run("whoami", "--offline", "--passphrase-file", one).wants(exitOK, owner, "")

	d.run("key", "passphrase", "--passphrase-file", one, "--new-passphrase-file", two).wants(exitOK, "new passphrase", "")
	d.run("whoami", "--offline", "--passphrase-file", two).wants(exitOK, owner, "")
	d.run("key", "passphrase", "--passphrase-file", two, "--remove").wants(exitOK, "no passphrase", "")
	d.run("whoami", "--offline").wants(exitOK, owner, "")
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	d.run("--version").wants(exitOK, "syncctl ", "")
	d.run("help").wants(exitOK, "Exit codes:", "")
	d.run("help", "key", "export").wants(exitOK, "syncctl key export ", "")
	d.run("help", "nonsense").wants(exitUsage, "", "nonsense")
	page := d.run("man").wants(exitOK, ".TH SYNCCTL 1", "").out
	for _, part := range []string{`syncctl lock`, `\-\-cursor\-file`, "Exit codes"} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in the manual", part)
		}
	}
	man := exec.Command("mandoc", "-T", "lint", "-W", "error")
	man.Stdin = strings.NewReader(page)
	if out, err := man.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each shell completes a command, a flag and a context through its own script.
func TestCompletion(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(home, "key")}.with("HOME=" + home)
	if out, err := d.bare("context", "set", "work", "--url", "http://w.invalid/graphql").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script := func(shell string) string {
		path := filepath.Join(home, shell)
		if err := os.WriteFile(path, []byte(d.run("completion", shell).wants(exitOK, "", "").out), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bash := `source %s; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _syncctl; printf '%%s\n' "${COMPREPLY[@]}"`
	zsh := `_describe() { printf '%%s\n' "${(@P)2}" }; _files() { :; }; compdef() { :; }; source %s; words=(%s); CURRENT=$#words; _syncctl`
	fish := `source %s; complete -C "%s"`
	for _, c := range []struct{ line, want string }{
		{"syncctl chan", "changes"},
		{"syncctl set --last", "--last-seen"},
		{"syncctl --context wo", "work"},
		{"syncctl key ex", "export"},
		{"syncctl completion f", "fish"},
	} {
		for shell, run := range map[string]string{"bash": bash, "zsh": zsh, "fish": fish} {
			cmd := d.bare()
			cmd.Path, cmd.Args = "/usr/bin/"+shell, []string{shell, "-c", fmt.Sprintf(run, script(shell), c.line)}
			out, err := cmd.CombinedOutput()
			first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			if name := strings.FieldsFunc(first, func(r rune) bool { return r == '\t' || r == ':' }); err != nil || len(name) == 0 || name[0] != c.want {
				t.Errorf("%s: %s: %v, %q", shell, c.line, err, out)
			}
		}
	}
	if out := d.run("--json", "context", "list").out; !json.Valid([]byte(out)) {
		t.Error(out)
	}
}
