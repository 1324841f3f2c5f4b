package testservers

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Tool runs one of PostgreSQL's programs to its end, in a directory of the server.
func (p *Postgres) Tool(name string, args ...string) {
	p.t.Helper()
	p.command(name, args...)
}

// Archive restarts the server so that it keeps its log, and takes the base of a
// recovery: a server that does not run yet.
func (p *Postgres) Archive(t testing.TB) (base *Postgres) {
	p.t.Helper()
	p.SQL("ALTER SYSTEM SET archive_mode = on")
	p.SQL("ALTER SYSTEM SET archive_command = 'mkdir -p " + p.archive() + " && test ! -f " + p.archive() + "/%f && cp %p " + p.archive() + "/%f'")
	p.Stop()
	p.Start()
	base = newPostgres(t)
	base.command("pg_basebackup", "-D", base.data(), "--checkpoint=fast", "--no-sync", "-d", "postgres://postgres@"+p.Address+"/")
	return base
}

func (p *Postgres) archive() string { return filepath.Join(p.dir, "archive") }

// Now is the server's clock, later than any commit that was answered.
func (p *Postgres) Now() (now string) {
	p.t.Helper()
	Await(p.t, "the server tells the time", func(ctx context.Context) bool { return p.scan(ctx, "SELECT clock_timestamp()::text", &now) == nil })
	return now
}

// Recover stops a server and starts this one, its base, as the other was at a time.
func (p *Postgres) Recover(other *Postgres, at string) {
	p.t.Helper()
	other.Stop() // which waits until the log is archived
	for name, lines := range map[string]string{
		"postgresql.auto.conf": "restore_command = 'cp " + other.archive() + "/%f %p'\nrecovery_target_time = '" + at + "'\nrecovery_target_action = 'promote'\n",
		"recovery.signal":      "",
	} {
		path := filepath.Join(p.data(), name)
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			p.t.Fatal(err)
		}
		if p.attr != nil {
			if err := os.Chown(path, int(p.attr.Credential.Uid), int(p.attr.Credential.Gid)); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.Start()
	Await(p.t, "the recovery is complete", func(ctx context.Context) bool { return p.Holds(ctx, "SELECT NOT pg_is_in_recovery()") })
}

// Database is the URL of a database that another server's URL names.
func (p *Postgres) Database(t testing.TB, url string) string {
	t.Helper()
	parsed, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return p.url(parsed.Database)
}
