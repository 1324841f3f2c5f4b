package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrNoPostgres says that no PostgreSQL server is installed.
var ErrNoPostgres = errors.New("no PostgreSQL server found: install the package postgresql")

// postgres is a PostgreSQL server with its defaults: each commit is synced.
type postgres struct {
	*process
	bin, dir, address string
	attr              syscall.SysProcAttr
}

func startPostgres(ctx context.Context, parent string, slow slowness) (*postgres, error) {
	p := &postgres{bin: findPostgres()}
	if p.bin == "" {
		return nil, ErrNoPostgres
	}
	var err error
	if p.address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp(parent, "postgres-"); err != nil {
		return nil, err
	}
	if err := p.dropPrivileges(parent); err != nil {
		return nil, err
	}
	data := filepath.Join(p.dir, "data")
	if err := p.tool(ctx, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(p.address) // made by freeAddress
	cmd := command(ctx, filepath.Join(p.bin, "postgres"),
		"-D", data, "-h", host, "-p", port, "-k", p.dir, "-c", "log_min_messages=panic")
	attr := p.attr
	cmd.SysProcAttr, cmd.Dir = &attr, p.dir
	if p.process, err = launch("PostgreSQL", cmd, slow); err != nil {
		return nil, err
	}
	return p, p.await(ctx, func(ctx context.Context) bool {
		return p.tool(ctx, "pg_isready", "-q", "-h", host, "-p", port, "-U", "postgres") == nil
	})
}

func findPostgres() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is valid
	if len(found) == 0 {
		if path, err := exec.LookPath("postgres"); err == nil {
			return filepath.Dir(path)
		}
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// dropPrivileges runs the server as the user postgres where this is root, which
// PostgreSQL refuses to run as.
func (p *postgres) dropPrivileges(parent string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	p.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return errors.Join(os.Chmod(parent, 0o711), os.Chown(p.dir, uid, gid)) //nolint:gosec // it must reach its directory
}

func (p *postgres) tool(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...) //nolint:gosec // PostgreSQL's own programs
	attr := p.attr
	cmd.SysProcAttr, cmd.Dir = &attr, p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// url is that of the database which every server has.
func (p *postgres) url() string {
	return "postgres://postgres@" + p.address + "/postgres?sslmode=disable"
}
