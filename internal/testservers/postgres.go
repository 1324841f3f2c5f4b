package testservers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/storage"
)

// Postgres is a PostgreSQL server that lives as long as the test that started it.
type Postgres struct {
	Address string // host:port

	t         testing.TB
	bin       string // directory of the programs
	dir       string
	attr      *syscall.SysProcAttr
	databases atomic.Int64
	stdin     io.WriteCloser // tells how to end; nil while the server is down
	cmd       *exec.Cmd
}

// StartPostgres starts a server of the newest PostgreSQL installed. Where there
// is none it fails in CI, and elsewhere skips the test and says what to install.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := newPostgres(t)
	p.initCluster()
	p.Start()
	return p
}

// newPostgres is a server without data that does not run yet.
func newPostgres(t testing.TB) *Postgres {
	t.Helper()
	bin := findPostgres()
	if bin == "" {
		const missing = "no PostgreSQL server found: install the package postgresql"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, err := os.MkdirTemp("", "syncline-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &Postgres{Address: FreeAddress(t), t: t, bin: bin, dir: dir, attr: unprivileged(t, dir)}
	t.Cleanup(p.Kill)
	return p
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// command runs one of PostgreSQL's programs to its end.
func (p *Postgres) command(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = p.attr, p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// findPostgres is the directory of the newest server's programs.
func findPostgres() string {
	if path, err := exec.LookPath("postgres"); err == nil {
		if program, err := filepath.EvalSymlinks(path); err == nil { // the others are beside it
			return filepath.Dir(program)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is valid
	if len(found) == 0 {
		return ""
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0: not a version
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// unprivileged gives the directory to the user postgres and tells how to run as
// that user, if this is root, which PostgreSQL refuses to run as.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// Start starts the server again after Stop or Kill, and waits until it answers.
// It runs below a shell that ends it when the shell's standard input ends, which
// happens even when the test process is killed.
func (p *Postgres) Start() {
	p.t.Helper()
	host, port, _ := net.SplitHostPort(p.Address) // made by FreeAddress
	cmd := exec.Command("sh", "-c", `"$@" & server=$!; read -r how; kill -"${how:-QUIT}" $server; wait $server`, "sh",
		filepath.Join(p.bin, "postgres"), "-D", p.data(), "-h", host, "-p", port, "-k", p.dir,
		"-c", "fsync=off", "-c", "max_connections=300", "-c", "log_min_messages=panic")
	cmd.SysProcAttr, cmd.Dir = p.attr, p.dir
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.stdin, p.cmd = stdin, cmd
	p.waitReady()
}

// Stop ends the server as an operator does who restarts it: transactions in
// progress are rolled back, and their clients told. It waits for the end.
func (p *Postgres) Stop() { p.end("INT\n") }

// Kill ends the server at once, as a crash does: the next start recovers from
// the log. It waits for the end.
func (p *Postgres) Kill() { p.end("") }

func (p *Postgres) end(how string) {
	if p.stdin == nil {
		return
	}
	io.WriteString(p.stdin, how)
	p.stdin.Close()
	p.cmd.Wait() // the shell's status is of no interest
	p.stdin = nil
}

func (p *Postgres) waitReady() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), waitLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, p.url("postgres"))
		if err == nil {
			conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("PostgreSQL is not ready after %v: %v", waitLimit, err)
		case <-tick.C:
		}
	}
}

func (p *Postgres) url(name string) string {
	return "postgres://postgres@" + p.Address + "/" + name + "?sslmode=disable"
}

// NewURL makes an empty database on the server and returns its URL.
func (p *Postgres) NewURL(t testing.TB) string {
	t.Helper()
	return p.url(p.newDatabase(t))
}

func (p *Postgres) newDatabase(t testing.TB) (name string) {
	t.Helper()
	name = fmt.Sprintf("test%d", p.databases.Add(1))
	p.SQL("CREATE DATABASE " + name)
	return name
}

// Open opens a new database on the server, up to date, that lives as long as the test.
func (p *Postgres) Open(t testing.TB) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), p.NewURL(t), 0)
	return upToDate(t, db, err)
}
