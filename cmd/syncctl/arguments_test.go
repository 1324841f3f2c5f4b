package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// testBytes has arguments that are not UTF-8: data and file names are bytes.
func testBytes(d device) {
	latin := "caf\xe9"
	d.run("set", "k", latin).wants(exitOK, "", "")
	if got := d.run("get", "--raw", "k").out; got != latin {
		d.t.Errorf("stored %q", got)
	}
	dir := d.t.TempDir()
	mine, other := filepath.Join(dir, latin), filepath.Join(dir, "caf\ufffd")
	for _, file := range []string{mine, other} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	d.run("set", "file", "@"+mine).wants(exitOK, "", "")
	d.run("set", "file", "--file", mine, "--revision", "2").wants(exitOK, "", "")
	d.run("lock", "l", "--", "rm", mine).wants(exitOK, "", "")
	if _, err := os.Stat(mine); err == nil {
		d.t.Error("the file that was named is still there")
	}
	if _, err := os.Stat(other); err != nil {
		d.t.Errorf("another file was removed: %v", err)
	}

	head := d.run("whoami", "--json").json()[0]["head"]
	for _, wrong := range [][]string{
		{"set", latin, "x"},
		{"get", "ok", latin},
		{"delete", latin, "--revision", "1"},
		{"set", "k", "x", "--mutation-id", latin},
		{"set", "k", "x", "--fence", latin + "=1"},
		{"set", "k", "x", "--client-id", latin},
		{"lock", latin},
		{"list", latin},
	} {
		d.run(wrong...).wants(exitUsage, "", "is not valid UTF-8")
	}
	if got := d.run("whoami", "--json").json()[0]["head"]; got != head {
		d.t.Errorf("head %v, was %v", got, head)
	}
}

// testInput has data from elsewhere.
func testInput(d device) {
	d.run("set", "at", "@@ada").wants(exitOK, "", "")
	d.run("set", "two", "@@@x").wants(exitOK, "", "")
	d.run("get", "--raw", "at", "two").wants(exitOK, "@ada@@x", "")
	d.runWith(d.t.Context(), "from stdin", "set", "in", "@-").wants(exitOK, "", "")
	d.run("get", "--raw", "in").wants(exitOK, "from stdin", "")

	huge := d.command("set", "huge", "-")
	var notes bytes.Buffer
	reader := &counting{size: 300 << 20}
	huge.Stdin, huge.Stderr = reader, &notes
	_ = huge.Run()
	if exitOf(huge) != exitRefused || !strings.Contains(notes.String(), "more than 1 MiB") {
		d.t.Errorf("code %d, %s", exitOf(huge), notes.String())
	}
	if reader.read > 8<<20 {
		d.t.Errorf("%d bytes were taken", reader.read)
	}

	// A fifo that nobody writes to can be left, and so can standard input.
	fifo := filepath.Join(d.t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		d.t.Fatal(err)
	}
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		waiting := start(d, "set", "fifo", "@"+fifo)
		writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // once it is open at the other end
		if err != nil {
			d.t.Fatal(err)
		}
		waiting.signal(signal)
		waiting.ends(code)
		writer.Close()

		reading := start(d, "set", "stdin", "-")
		if _, err := reading.in.Write([]byte("half")); err != nil {
			d.t.Fatal(err)
		}
		reading.signal(signal)
		reading.ends(code)
	}
}

// counting is an input that counts what was taken of it.
type counting struct{ size, read int }

func (c *counting) Read(b []byte) (int, error) {
	n := min(len(b), c.size-c.read)
	if n == 0 {
		return 0, os.ErrClosed
	}
	c.read += n
	return n, nil
}

func TestContracts(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	d.run("keygen").wants(exitOK, "", "")
	d.run("set", "k", "x", "--mutation-id", "m", "--last-seen").wants(exitUsage, "", "--mutation-id needs --revision")
	d.run("delete", "k", "--mutation-id", "m", "--last-seen").wants(exitUsage, "", "--mutation-id needs --revision")
	d.run("lock", "l", "--", "no-such-command").wants(127, "", "there is no command no-such-command")
	d.run("lock", "l", "--", t.TempDir()).wants(126, "", "cannot be run")

	// With --json every error is an object, and data is never mixed with one.
	for _, wrong := range [][]string{
		{"--json", "frobnicate"},
		{"frobnicate", "--json"},
		{"--json"},
		{"set", "--json"},
		{"--json", "set", "a", "b", "--revision", "x"},
		{"--json", "get", "a", "--raw"},
	} {
		r := d.run(wrong...).wants(exitUsage, "", "")
		if all := r.json(); len(all) != 1 || all[0]["exitCode"] != float64(exitUsage) || r.err != "" {
			t.Errorf("%v: %s%s", wrong, r.out, r.err)
		}
	}
	r := d.run("--json", "-v", "--timeout", "300ms", "whoami").wants(exitUnreachable, "", "")
	if r.err == "" || len((result{t: t, line: r.line, out: r.err}).json()) == 0 {
		t.Errorf("notes: %s", r.err)
	}
}

// testManyIDs has more records than one request reads, and several errors.
func testManyIDs(d device) {
	d.run("set", "there", "x").wants(exitOK, "", "")
	ids := []string{"get", "--raw"}
	for range 250 {
		ids = append(ids, "there")
	}
	if got := d.run(ids...).wants(exitOK, "", ""); got.out != strings.Repeat("x", 250) {
		d.t.Errorf("%d bytes", len(got.out))
	}
	got := d.run("get", "no", "there", "nothing").wants(exitNotFound, "there", "")
	if got.err != "syncctl: no such record: no\nsyncctl: no such record: nothing\n" {
		d.t.Errorf("%q", got.err)
	}
	if all := d.run("--json", "get", "no", "there", "nothing").wants(exitNotFound, "", "").json(); len(all) != 3 {
		d.t.Errorf("%v", all)
	}
}

// testPipe has a reader that has seen enough.
func testPipe(d device) {
	for _, id := range []string{"a", "b", "c"} {
		d.run("set", id, strings.Repeat(id, 60000)).wants(exitOK, "", "")
	}
	for _, command := range []string{"changes --json", "get --raw a b c"} {
		cmd := d.bare()
		cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", `syncctl ` + command + ` | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}`}
		cmd.Env = append(cmd.Env, "SYNCLINE_URL="+d.url, "SYNCLINE_KEY="+d.key)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != "141\n" {
			d.t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}
