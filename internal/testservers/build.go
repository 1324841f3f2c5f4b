package testservers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// root is the directory of the server's module, whichever the tests belong to.
func root() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(self), "..", "..")
}

// kept is a directory of what the tests of all packages make once, for all. Each
// kind has its own: a result that the command go keeps is void as soon as something
// in a directory changes that the test looked into.
func kept(kind string) (dir string, err error) {
	dir = filepath.Join(root(), ".cache", "tests", kind)
	return dir, os.MkdirAll(dir, 0o700)
}

// build compiles the server, with the race detector where the tests run with it.
// The file that the command go writes to is kept: it is not linked again for the
// next package if nothing has changed, which go sees to. Where nothing can be kept, as
// in a tree that is another user's, it is linked each time.
func build(target string) error {
	kind, args := "syncline", []string{"build", "-pgo=off", "-ldflags=-w"} // without the tables of debuggers, and not compiled for itself
	if RaceDetector {
		kind, args = "syncline-race", append(args, "-race")
	}
	dir, err := kept(kind)
	if err != nil {
		return compile(target, args)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return compile(target, args)
	}
	defer lock.Close() // which gives the lock back
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("wait for other packages' tests to build the server: %w", err)
	}
	file := filepath.Join(dir, "syncline")
	if err := compile(file, args); err != nil {
		return err
	}
	if err := copyProgram(file, target); err != nil { // the next build may write to the file
		return fmt.Errorf("copy the server: %w", err)
	}
	return nil
}

func compile(target string, args []string) error {
	cmd := exec.Command("go", append(args, "-o", target, "syncline")...)
	cmd.Dir = root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return nil
}

func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
