package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/internal/testservers"
)

// What the README tells readers to type works as it stands, from the first line to
// the last, and prints what it says, but for keys, times and cursors.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := newSession(t, "../../README.md")
	address := testservers.FreeAddress(t)
	s.env = append(s.env, "LISTEN_ADDRESS="+address, "SYNCLINE_URL=http://"+address+"/graphql", "SHUTDOWN_TIMEOUT=2s")
	s.called = append(s.called, "localhost:8080", address, "/home/you", s.home)
	s.stays["go run .\n"] = "listening"
	s.stays["go run ./cmd/syncctl listen\n"] = "-- live --"
	s.before["go mod edit"] = func() []string { // in a module of the reader's, with the program that stands before
		s.dir = filepath.Join(s.home, "app")
		s.write("app/go.mod", "module app\n\ngo 1.26\n")
		s.write("app/main.go", s.block("package main"))
		if err := os.Symlink(s.root, filepath.Join(s.home, "syncline")); err != nil {
			t.Fatal(err)
		}
		return []string{"GOSUMDB=off"} // go.sum of the checkout is what the modules are compared with elsewhere
	}
	s.before["make help"] = func() []string { s.dir = s.root; return nil }
	s.run()
	s.dir = filepath.Join(s.home, "app")
	if out, err := s.bash("go vet .", nil); err != nil {
		t.Errorf("the program: %v\n%s", err, out)
	}
	s.requireValid("graphql")
}

// So does what docs/operations.md tells operators to type, beside the servers
// that it speaks of.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := newSession(t, "../../docs/operations.md")
	postgres := testservers.StartPostgres(t)
	server := testservers.StartSyncline(t, "LOG_LEVEL=info", "LOG_FORMAT=json", "RATE_LIMITS=on", "RATE_COST=1")
	key := newKey(t)
	if _, err := newClient(t, server.URL(), key).Set(t.Context(), "a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	var refused *refusal
	if err := newDevice(server.URL(), key).call(t.Context(), "{ viewer { id } }", nil, nil); !errors.As(err, &refused) || refused.text("code") != "RATE_LIMITED" {
		t.Fatalf("after a write that cost more than a minute allows: %v", err)
	}
	s.env = append(s.env, "SQLITE_DIR_PATH="+server.Dir, "OWNER="+key.Public().String(), "OTHER="+newKey(t).Public().String())
	s.called = append(s.called,
		"SQLITE_DIR_PATH=db", "SQLITE_DIR_PATH="+server.Dir,
		"/var/lib/syncline", server.Dir,
		"/etc/syncline", filepath.Join(s.home, "etc"),
		"/backups", filepath.Join(s.home, "backups"),
		"postgres://...", postgres.NewURL(t))
	s.write("etc/env", "SQLITE_DIR_PATH="+server.Dir+"\n")
	s.write("backups/none", "")
	s.before["syncline restore"] = func() []string {
		s.write("syncline.log", server.Log()+"\n")
		server.Kill()
		return nil
	}
	from, to := "DATABASE_URL="+postgres.NewURL(t), "NEW="+postgres.NewURL(t)
	s.before["pg_dump"] = func() []string {
		runProgram(t, []string{from}, "migrate", "--create")
		return []string{from}
	}
	s.before["pg_restore"] = func() []string { return []string{to} }
	s.run()
}

// And docs/deployment.md, as far as no container engine is needed. Programs that stand
// in for docker, systemd-run and systemctl run the server's own here.
func TestDeployment(t *testing.T) {
	t.Parallel()
	s := newSession(t, "../../docs/deployment.md")
	server := testservers.StartSyncline(t)
	s.env = append(s.env, "SQLITE_DIR_PATH="+server.Dir)
	s.called = append(s.called, "/var/lib/syncline", server.Dir, "/usr/local/bin/syncline", filepath.Join(s.bin, "syncline"))
	s.program("stop", `kill "$SERVER"; tail --pid="$SERVER" -f /dev/null`)
	s.program("systemctl", `[ "$*" = "stop syncline" ] && exec stop`)
	s.program("systemd-run", `while [ "${1#/}" = "$1" ]; do [ "$1" = -E ] && { export "$2"; shift; }; [ "$1" = -p ] && shift; shift; done; exec "$@"`)
	s.program("docker", `case "$*" in
		"exec syncline /syncline "*) shift 3; exec syncline "$@" ;;
		"stop syncline") exec stop ;;
		"run --rm -i -v syncline:/db syncline "*) shift 6; exec syncline "$@" ;;
		*) echo "docker $*: not known here"; exit 1 ;;
	esac`)
	for _, runner := range []string{"docker exec syncline /syncline backup", "systemd-run"} {
		s.before[runner] = func() []string {
			server.Kill()
			server.Start()
			return []string{fmt.Sprint("SERVER=", server.PID())}
		}
	}
	s.run()
	if kept, err := filepath.Glob(filepath.Join(server.Dir, "*.replaced-*")); err != nil || len(kept) < 2 {
		t.Errorf("two restores kept %q", kept)
	}
}

// session carries out a document's command blocks, one after the other, in a
// directory of its own.
type session struct {
	t                    *testing.T
	file                 string
	blocks               []block
	root, home, bin, dir string
	env                  []string
	called               []string // pairs: what the document calls something, and what it is called here
	// stays has commands that go on, and what they print once they stand. A plain
	// block that begins with that is what they print in all.
	stays map[string]string
	// before is called before the block that has the text; what it returns is in that block's environment.
	before  map[string]func() []string
	printed map[string]func() string
}

func newSession(t *testing.T, file string) *session {
	t.Helper()
	home := t.TempDir()
	s := &session{
		t: t, file: filepath.Base(file), home: home, dir: home, bin: filepath.Join(home, "bin"),
		stays: map[string]string{}, before: map[string]func() []string{}, printed: map[string]func() string{},
	}
	var err error
	if s.root, err = filepath.Abs("../.."); err != nil {
		t.Fatal(err)
	}
	if s.blocks, err = parse(file); err != nil {
		t.Fatal(err)
	}
	goProgram, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	// The document's programs are built once, however often a block runs them.
	s.program("go", fmt.Sprintf(`case "$*" in
		"run .") exec syncline ;;
		"run ./cmd/syncctl "*) shift 2; exec syncctl "$@" ;;
		*) HOME=%s exec %s "$@" ;;
	esac`, os.Getenv("HOME"), goProgram))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.bin, "syncline/cmd/syncctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Symlink(testservers.Program(), filepath.Join(s.bin, "syncline")); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "PATH="+s.bin+":"+os.Getenv("PATH"))
	return s
}

// program makes a program that the document's commands find first.
func (s *session) program(name, script string) {
	s.write("bin/"+name, "#!/bin/bash\n"+script+"\n")
}

// write makes a file below the session's home, which anybody may execute.
func (s *session) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// block is the first one that begins with a text.
func (s *session) block(beginning string) string {
	s.t.Helper()
	for _, b := range s.blocks {
		if strings.HasPrefix(b.text, beginning) {
			return b.text
		}
	}
	s.t.Fatalf("%s has no block %q", s.file, beginning)
	return ""
}

func (s *session) run() {
	s.t.Helper()
	ran := 0
	for _, b := range s.blocks {
		if b.notRun || b.language != "sh" && b.language != "console" && b.language != "" {
			continue
		}
		ran++
		var env []string
		for text, prepare := range s.before {
			if strings.Contains(b.text, text) {
				env = append(env, prepare()...)
				delete(s.before, text)
			}
		}
		switch {
		case b.language == "":
			for beginning, printed := range s.printed {
				if strings.HasPrefix(b.text, beginning) {
					s.compare(b, "what goes on", printed(), b.text)
				}
			}
		case s.stays[b.text] != "":
			s.start(b.text, s.stays[b.text])
			delete(s.stays, b.text)
		case b.language == "sh":
			if out, err := s.bash("set -euo pipefail\n"+b.text, env); err != nil {
				s.t.Errorf("%s:%d: %v\n%s", s.file, b.line, err, out)
			}
		default:
			for _, c := range commands(b.text) {
				out, _ := s.bash(c.line, env) // a conflict ends with a code of its own
				s.compare(b, c.line, out, c.output)
			}
		}
	}
	if ran < 2 || len(s.before) > 0 || len(s.stays) > 0 {
		s.t.Errorf("%s has %d blocks to run, and none with %v %v", s.file, ran, s.before, s.stays)
	}
}

func (s *session) compare(b block, command, printed, said string) {
	s.t.Helper()
	for i := 0; i < len(s.called); i += 2 {
		printed = strings.ReplaceAll(printed, s.called[i+1], s.called[i])
	}
	if got, want := normal(printed), normal(said); got != want {
		s.t.Errorf("%s:%d: %s\nprints\n%s\nthe document says\n%s", s.file, b.line, command, got, want)
	}
}

// command is bash with a script, in which things are called as they are here.
func (s *session) command(script string, env []string) *exec.Cmd {
	for i := 0; i < len(s.called); i += 2 {
		script = strings.ReplaceAll(script, s.called[i], s.called[i+1])
	}
	cmd := exec.CommandContext(s.t.Context(), "bash", "-c", script)
	cmd.Dir, cmd.Env = s.dir, slices.Concat(s.env, env)
	return cmd
}

func (s *session) bash(script string, env []string) (printed string, err error) {
	out, err := s.command(script, env).CombinedOutput()
	return string(out), err
}

// start runs a command that goes on until the test ends, and waits until it has
// printed a text.
func (s *session) start(script, text string) {
	s.t.Helper()
	out, err := os.Create(filepath.Join(s.home, fmt.Sprint("printed-", len(s.printed))))
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd := s.command(script, nil)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	printed := func() string {
		content, err := os.ReadFile(out.Name())
		if err != nil {
			s.t.Error(err)
		}
		return string(content)
	}
	s.printed[text] = printed
	testservers.Await(s.t, script+" prints "+text, func(ctx context.Context) bool { return strings.Contains(printed(), text) })
}

// requireValid makes sure that the GraphQL documents of a document fit the schema.
func (s *session) requireValid(language string) {
	s.t.Helper()
	source, err := os.ReadFile(filepath.Join(s.root, "schema.graphql"))
	if err != nil {
		s.t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(source)})
	if err != nil {
		s.t.Fatal(err)
	}
	found := 0
	for _, b := range s.blocks {
		if b.language != language {
			continue
		}
		found++
		if _, err := gqlparser.LoadQueryWithRules(schema, b.text, nil); err != nil {
			s.t.Errorf("%s:%d: %v", s.file, b.line, err)
		}
	}
	if found < 3 {
		s.t.Errorf("%s has only %d blocks of %s", s.file, found, language)
	}
}
