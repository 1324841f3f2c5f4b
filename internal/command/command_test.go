package command_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestCommandLines(t *testing.T) {
	t.Parallel()
	env := []string{"SQLITE_DIR_PATH=" + t.TempDir()}
	for _, test := range []struct {
		line         string
		code         int
		out, errWith string
	}{
		{"", 0, "serving", ""},
		{"serve", 0, "serving", ""},
		{"version", 0, "syncline ", ""},
		{"--version", 0, "syncline ", ""},
		{"serve --version", 0, "syncline ", ""},
		{"help", 0, "Usage: syncline <command>", ""},
		{"help new-epoch", 0, "Usage: syncline new-epoch", ""},
		{"migrate -h", 0, "Usage: syncline migrate", ""},
		{"migrate", 0, "", ""},
		{"new-epoch", 0, "a new epoch began; revisions go on above ", ""},
		{"help dance", 2, "", "syncline: unexpected argument dance"},
		{"dance", 2, "", "syncline: unexpected argument dance"},
		{"migrate now", 2, "", "syncline: unexpected argument now"},
		{"--fast", 2, "", "syncline: unknown flag --fast"},
	} {
		got := run(t, env, strings.Fields(test.line)...)
		if got.code != test.code || !strings.HasPrefix(got.out, test.out) || (got.out == "") != (test.out == "") || !strings.HasPrefix(got.errors, test.errWith) || strings.Count(got.errors, "\n") > 1 {
			t.Errorf("syncline %s: %+v; want code %d, %q and one line %q", test.line, got, test.code, test.out, test.errWith)
		}
	}
	if got := run(t, []string{"LISTEN_ADDRESS=nowhere"}); got.code != 1 || !strings.HasPrefix(got.errors, "syncline: LISTEN_ADDRESS: ") {
		t.Errorf("a bad variable: %+v", got)
	}
}

func TestManual(t *testing.T) {
	t.Parallel()
	page := run(t, nil, "man").out
	for _, part := range []string{".TH SYNCLINE 1", `.SS syncline new\-epoch`, "Exit codes"} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in the manual", part)
		}
	}
	man := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "error")
	man.Stdin = strings.NewReader(page)
	if out, err := man.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each shell completes commands, flags and arguments through its own script.
func TestCompletion(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{
		"bash": `source <(syncline completion bash); COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _syncline; printf '%%s\n' "${COMPREPLY[@]}"`,
		"zsh":  `_describe() { printf '%%s\n' "${(@P)2}" }; _files() { :; }; compdef() { :; }; source <(syncline completion zsh); words=(%s); CURRENT=$#words; _syncline`,
		"fish": `syncline completion fish | source; complete -C "%s"`,
	}
	for _, c := range []struct{ line, want string }{
		{"syncline new", "new-epoch"},
		{"syncline migrate --v", "--version"},
		{"syncline completion f", "fish"},
	} {
		for name, script := range scripts {
			out, err := shell(t, name, fmt.Sprintf(script, c.line))
			first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
			if word := strings.FieldsFunc(first, func(r rune) bool { return r == '\t' || r == ':' }); err != nil || len(word) == 0 || word[0] != c.want {
				t.Errorf("%s: %s: %v, %q", name, c.line, err, out)
			}
		}
	}
}

// A result that was not written must not pass for success.
func TestStandardOutputThatIsFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs strings.Builder
	cmd := program(t, nil, "man")
	cmd.Stdout, cmd.Stderr = full, &errs
	if err := cmd.Run(); err == nil || !strings.HasPrefix(errs.String(), "syncline: standard output: ") {
		t.Errorf("%v, %q", err, errs.String())
	}
}
