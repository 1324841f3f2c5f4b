package checks

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// requireServes runs the image as its user, in a root directory that has nothing else: it
// writes only to its volume, tells its health and version, makes a backup, stops when asked to, and finds its
// data again in the next container.
func (m made) requireServes(t *testing.T, uid int) {
	t.Helper()
	settings := m.settings.Config
	run := func(address string, words ...string) *container { return m.start(t, uid, address, words) }
	version := settings.Labels["org.opencontainers.image.version"]
	if out, err := run("", settings.Entrypoint[0], "--version").wait(); err != nil || !strings.HasPrefix(out, "syncline "+version+" (go") {
		t.Errorf("its version is %q (%v), its label says %s", out, err, version)
	}
	address := testservers.FreeAddress(t)
	health := settings.Healthcheck.Test[1:]
	if out, err := run(address, health...).wait(); err == nil {
		t.Errorf("nothing runs, and it is healthy: %s", out)
	}
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New("http://"+address+"/graphql", key)
	if err != nil {
		t.Fatal(err)
	}
	for _, seen := range []client.Revision{0, 1} { // two containers, one after the other
		server := run(address, slices.Concat(settings.Entrypoint, settings.Cmd)...)
		testservers.Await(t, "the image's health check finds it healthy", func(context.Context) bool {
			_, err := run(address, health...).wait()
			return err == nil
		})
		written, err := c.Set(t.Context(), "a", []byte("data"), seen)
		if err != nil || written.Revision != seen+1 {
			t.Errorf("write at revision %d: %+v, %v", seen, written, err)
		}
		if out, err := run(address, settings.Entrypoint[0], "backup", "-").wait(); err != nil || !strings.HasPrefix(out, "SQLite format 3\x00") {
			t.Errorf("backup: %v\n%.200q", err, out)
		}
		if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if out, err := server.wait(); err != nil {
			t.Errorf("stopped: %v\n%s", err, out)
		}
	}
	info, err := os.Stat(filepath.Join(m.root, "db", "syncline.db"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; os.Getuid() == 0 && int(owner) != uid {
		t.Errorf("the database belongs to user %d, want %d", owner, uid)
	}
}

type container struct {
	cmd    *exec.Cmd
	output *strings.Builder
}

// start runs a program of the image, as its user and with its root directory if
// this is root, who alone can do so; else where it is.
func (m made) start(t *testing.T, uid int, address string, words []string) *container {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	program := words[0]
	env := append(slices.Clone(m.settings.Config.Env), "LISTEN_ADDRESS="+address)
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		attr.Chroot = m.root
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	} else {
		program = filepath.Join(m.root, program)
		env = append(env, "SQLITE_DIR_PATH="+filepath.Join(m.root, "db"))
	}
	c := &container{cmd: exec.CommandContext(ctx, program, words[1:]...), output: &strings.Builder{}}
	c.cmd.Dir, c.cmd.Env, c.cmd.SysProcAttr = "/", env, attr
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *container) wait() (output string, err error) {
	err = c.cmd.Wait()
	return c.output.String(), err
}
