package testservers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncline/storage"
)

// PgBouncer is a pooler in front of a PostgreSQL server, which lends a server's
// connection for one transaction at a time.
type PgBouncer struct {
	Address string // host:port

	t       testing.TB
	server  *Postgres
	config  string
	process *process
}

// StartPgBouncer starts a pooler with so many connections to each database of
// the server. Where there is none it fails in CI, and elsewhere skips the test
// and says what to install.
func StartPgBouncer(t testing.TB, server *Postgres, connections int) *PgBouncer {
	t.Helper()
	address := FreeAddress(t)
	b := &PgBouncer{Address: address, t: t, server: server, config: filepath.Join(server.dir, "pgbouncer-"+port(address)+".ini")}
	users := filepath.Join(server.dir, "users.txt")
	b.write(users, `"postgres" ""`)
	b.write(b.config, strings.Join([]string{
		"[databases]",
		"* = host=127.0.0.1 port=" + port(server.Address),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		"listen_port = " + port(address),
		"unix_socket_dir =",
		"auth_type = trust",
		"auth_file = " + users,
		"pool_mode = transaction",
		fmt.Sprint("default_pool_size = ", connections),
		"max_client_conn = 1000",
		"server_login_retry = 1",
	}, "\n"))
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

func (b *PgBouncer) write(path, text string) {
	b.t.Helper()
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Start starts the pooler again after Kill, and waits until it answers.
func (b *PgBouncer) Start() {
	b.t.Helper()
	cmd := exec.Command(pgBouncerBinary(b.t), b.config)
	cmd.SysProcAttr, cmd.Dir = b.server.attr, b.server.dir // it refuses to run as root, too
	b.process = launch(b.t, cmd)
	b.process.await(b.t, "PgBouncer", func(ctx context.Context) bool {
		conn, err := pgx.Connect(ctx, b.url("postgres"))
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	})
}

// Kill ends the pooler at once, and with it the connections of its clients.
func (b *PgBouncer) Kill() { b.process.kill() }

func (b *PgBouncer) url(name string) string {
	return "postgres://postgres@" + b.Address + "/" + name + "?sslmode=disable"
}

// NewURL makes an empty database on the server and returns its URL by way of
// the pooler.
func (b *PgBouncer) NewURL(t testing.TB) string {
	t.Helper()
	return b.url(b.server.newDatabase(t))
}

// Via is the URL of one of the server's databases by way of the pooler.
func (b *PgBouncer) Via(direct string) string {
	b.t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		b.t.Fatal(err)
	}
	u.Host = b.Address
	return u.String()
}

// Open opens a new database by way of the pooler, up to date, that lives as long as the test.
func (b *PgBouncer) Open(t testing.TB) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), b.NewURL(t), 0)
	return upToDate(t, db, err)
}

func pgBouncerBinary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/pgbouncer") // not on everyone's path
	}
	if err == nil {
		return path
	}
	const missing = "no PgBouncer found: install the package pgbouncer"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
