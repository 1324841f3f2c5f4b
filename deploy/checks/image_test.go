package checks

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// The program that the Dockerfile builds is static, and runs as the image's user in
// a root directory that has nothing else: it writes only to its volume, tells its
// health, stops when asked to, and finds its data again in the next container.
func TestImage(t *testing.T) {
	t.Parallel()
	img := readDockerfile(t)
	img.root = t.TempDir()
	for dir, mode := range map[string]os.FileMode{"": 0o755, "tmp": 0o777 | fs.ModeSticky, img.volume: 0o755} {
		path := filepath.Join(img.root, dir)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(img.root, img.volume), img.uid, img.uid); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	compile := exec.Command("sh", "-ec", strings.ReplaceAll(img.compile, img.program, filepath.Join(img.root, img.entrypoint[0])))
	compile.Dir, compile.Env = "../..", append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("RUN %s: %v\n%s", img.compile, err, out)
	}
	requireStatic(t, filepath.Join(img.root, img.entrypoint[0]))
	requireLean(t, filepath.Join(img.root, img.entrypoint[0]))
	if img.uid == 0 || img.signal != "SIGTERM" {
		t.Errorf("it runs as user %d and is stopped by %s; it drains on SIGTERM", img.uid, img.signal)
	}

	address := testservers.FreeAddress(t)
	if out, err := img.start(t, address, img.health).wait(); err == nil {
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
		server := img.start(t, address, slices.Concat(img.entrypoint, img.command))
		img.awaitHealth(t, address, server)
		written, err := c.Set(t.Context(), "a", []byte("data"), seen)
		if err != nil || written.Revision != seen+1 {
			t.Errorf("write at revision %d: %+v, %v", seen, written, err)
		}
		if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if out, err := server.wait(); err != nil {
			t.Errorf("stopped: %v\n%s", err, out)
		}
	}
	img.requireOwned(t)
}

// requireStatic makes sure that a program needs no loader and no library.
func requireStatic(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it needs the libraries %q", libraries)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("it needs a loader")
	}
}

// requireLean makes sure that a program has no tables for debuggers, and nothing of
// the tools that only write or compare schemas.
func requireLean(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("it is not stripped")
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 10 {
		t.Fatalf("it names only %d modules", len(info.Deps))
	}
	for _, module := range info.Deps {
		if slices.Contains([]string{"ariga.io/atlas", "github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "golang.org/x/tools"}, module.Path) {
			t.Errorf("it has %s, which a server does not run", module.Path)
		}
	}
}

// requireOwned makes sure that there is a database in the volume, of the image's user.
func (i image) requireOwned(t *testing.T) {
	t.Helper()
	info, err := os.Stat(filepath.Join(i.root, i.volume, "syncline.db"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; os.Getuid() == 0 && int(owner) != i.uid {
		t.Errorf("the database belongs to user %d, want %d", owner, i.uid)
	}
}

type container struct {
	cmd    *exec.Cmd
	output *strings.Builder
}

// start runs a program of the image, as its user and with its root directory if
// this is root, who alone can do so; else where it is.
func (i image) start(t *testing.T, address string, words []string) *container {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	program := words[0]
	env := append(slices.Clone(i.env), "LISTEN_ADDRESS="+address)
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		attr.Chroot = i.root
		attr.Credential = &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.uid)}
	} else {
		program = filepath.Join(i.root, program)
		env = append(env, "SQLITE_DIR_PATH="+filepath.Join(i.root, i.volume))
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

// awaitHealth asks by the image's own health check, as often as a container
// engine would not dare to.
func (i image) awaitHealth(t *testing.T, address string, server *container) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		out, err := i.start(t, address, i.health).wait()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			_ = server.cmd.Process.Kill()
			said, _ := server.wait()
			t.Fatalf("not healthy after 30 s: %v %s\n%s", err, out, said)
		}
	}
}

// What compiles the image is what go.mod and CI name.
func TestOneGoVersion(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(read(t, "../../go.mod"), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	for _, file := range []string{"../../Dockerfile", "../../.github/workflows/ci.yml"} {
		if !strings.Contains(read(t, file), "golang:"+version+"-") {
			t.Errorf("%s does not build with Go %s, which go.mod asks for", file, version)
		}
	}
}
