package command_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"syncline/internal/command"
	"syncline/internal/config"
	"syncline/internal/testservers"
	"syncline/storage"
)

// asProgram has this test's binary be the program, all but serving, so that shells
// can call it and tests can kill it.
const asProgram = "SYNCLINE_TEST_COMMAND"

// init keeps the main goroutine on the process's first thread, which TestMain would find it
// on only by chance: strace counts the calls of each thread.
func init() {
	if os.Getenv(asProgram) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(asSweeper) != "" {
		if err := sweepAsProgram(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(command.Run(context.Background(), os.Args[1:], command.Program{Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}))
	}
	testservers.WithoutOTel()
	os.Exit(m.Run())
}

// program is the command line as a process of its own, with these variables only.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// shell runs a shell's script that finds the program by its name.
func shell(t *testing.T, name, script string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "syncline")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, "-c", script)
	cmd.Env = append(os.Environ(), asProgram+"=1", "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

type result struct {
	code        int
	out, errors string
}

// run runs a command line in this process. What serves is told whether it was called.
func run(t *testing.T, env []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := command.Run(t.Context(), args, command.Program{
		Environ: env, Stdout: &out, Stderr: &errs,
		Serve: func(context.Context, config.Config, *storage.DB) error { out.WriteString("serving"); return nil },
	})
	return result{code, out.String(), errs.String()}
}
