package command_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

func TestCommandLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir, 0)
	env := []string{"SQLITE_DIR_PATH=" + dir}
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
		{"migrate", 0, "up to date: ", ""},
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

// A wrong path does not become an empty database, nor does a wrong name.
func TestWhereNoDatabaseIs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mistyped")
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "syncline.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"SQLITE_DIR_PATH=" + dir, "SQLITE_DIR_PATH=" + empty, "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t)} {
		name, _, _ := strings.Cut(variable, "=")
		for _, command := range []string{"migrate", "new-epoch"} {
			got := run(t, []string{variable}, command)
			if got.code != 1 || got.out != "" || !strings.HasPrefix(got.errors, "syncline: "+name+": there is no database of syncline in ") {
				t.Errorf("%s %s: %+v", variable, command, got)
			}
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Error("the directory was made")
		}
		if variable == "SQLITE_DIR_PATH="+dir {
			continue
		}
		for _, command := range [][]string{{"migrate", "--create"}, {"migrate"}, {"new-epoch"}} {
			if got := run(t, []string{variable}, command...); got.code != 0 {
				t.Errorf("%s %s: %+v", variable, command, got)
			}
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), t.TempDir()
	fill(t, dir, 3)
	from, fresh := []string{"SQLITE_DIR_PATH=" + dir}, []string{"SQLITE_DIR_PATH=" + filepath.Join(to, "new")}
	path := filepath.Join(to, "backup.db")
	if got := run(t, from, "backup", path); got.code != 0 || !strings.HasPrefix(got.out, path+": 0 owners, 3 records, ") || !strings.HasSuffix(got.out, ", epoch 1\n") {
		t.Errorf("backup: %+v", got)
	}
	if got := run(t, fresh, "restore", path); got.code != 0 || !strings.HasPrefix(got.out, "restored: 0 owners, 3 records, ") {
		t.Errorf("restore: %+v", got)
	}
	piped, err := shell(t, "sh", fmt.Sprintf("SQLITE_DIR_PATH=%s syncline backup - | SQLITE_DIR_PATH=%s syncline restore --force -", dir, filepath.Join(to, "new")))
	if err != nil || !strings.Contains(piped, "restored: 0 owners, 3 records, ") || !strings.Contains(piped, "the database before is kept as ") {
		t.Errorf("by way of a pipe: %v, %s", err, piped)
	}
	for _, test := range []struct {
		env  []string
		line string
		code int
		want string
	}{
		{from, "backup " + path, 1, "is there already, and is not replaced"},
		{from, "backup " + filepath.Join(to, "no", "where"), 1, "no such file or directory"},
		{from, "restore " + path, 1, "--force replaces it, and keeps it"},
		{from, "restore " + path + "x", 1, "no such file or directory"},
		{from, "backup", 2, "expected \"<file>\""},
		{[]string{"SQLITE_DIR_PATH=" + filepath.Join(to, "nowhere")}, "backup " + path + "2", 1, "there is no database of syncline"},
		{[]string{"DATABASE_URL=postgres://x/x"}, "backup " + path + "3", 1, "the data is in PostgreSQL"},
		{[]string{"DATABASE_URL=postgres://x/x"}, "restore " + path, 1, "the data is in PostgreSQL"},
	} {
		if got := run(t, test.env, strings.Fields(test.line)...); got.code != test.code || !strings.Contains(got.errors, test.want) || strings.Count(got.errors, "\n") != 1 {
			t.Errorf("%s: %+v; want %q", test.line, got, test.want)
		}
	}
}

func TestMoveRefusals(t *testing.T) {
	t.Parallel()
	empty, from := filepath.Join(t.TempDir(), "empty"), t.TempDir()
	fill(t, from, 2)
	postgres := "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t)
	for _, test := range []struct {
		env  []string
		line string
		code int
		want string
	}{
		{[]string{"SQLITE_DIR_PATH=" + from}, "move --to postgres", 1, "DATABASE_URL: is not set"},
		{[]string{"SQLITE_DIR_PATH=" + from, postgres}, "move", 2, "missing flags: --to="},
		{[]string{"SQLITE_DIR_PATH=" + from, postgres}, "move --to oracle", 2, "must be one of"},
		{[]string{"SQLITE_DIR_PATH=" + empty, postgres}, "move --to postgres", 1, "SQLITE_DIR_PATH: there is no database of syncline"},
		{[]string{"SQLITE_DIR_PATH=" + empty, postgres}, "move --to sqlite", 1, "DATABASE_URL: there is no database of syncline"},
	} {
		if got := run(t, test.env, strings.Fields(test.line)...); got.code != test.code || got.out != "" || !strings.Contains(got.errors, test.want) {
			t.Errorf("%s %s: %+v; want %q", test.env, test.line, got, test.want)
		}
	}
	if _, err := os.Stat(empty); err == nil {
		t.Error("the directory was made")
	}
	if got := run(t, []string{"SQLITE_DIR_PATH=" + from, postgres}, "move", "--to", "postgres"); got.code != 0 {
		t.Fatal(got)
	}
	if got := run(t, []string{"SQLITE_DIR_PATH=" + from, postgres}, "move", "--to", "sqlite"); got.code != 1 || !strings.Contains(got.errors, "nothing was moved: "+filepath.Join(from, "syncline.db")+": there is data in it already") {
		t.Errorf("over data: %+v", got)
	}
	if records, _ := count(t, from); records != 2 {
		t.Errorf("%d records are left, want 2", records)
	}
}

// A pipe that breaks is told, and leaves nothing behind.
func TestBackupIntoAFullPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir, 3)
	out, err := shell(t, "sh", fmt.Sprintf("SQLITE_DIR_PATH=%s syncline backup - > /dev/full", dir))
	if err == nil || !strings.Contains(out, "syncline: standard output: ") {
		t.Errorf("%v, %s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*backup*")); left != nil {
		t.Errorf("it leaves %s", left)
	}
}
