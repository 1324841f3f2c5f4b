package testservers

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresPair is a primary, and a replica without which the primary answers no
// commit.
type PostgresPair struct {
	Primary, Replica *Postgres
}

const replicaName = "replica"

// StartPostgresPair starts the two. The replica is in step when it returns.
func StartPostgresPair(t testing.TB) *PostgresPair {
	t.Helper()
	p := &PostgresPair{Primary: StartPostgres(t), Replica: newPostgres(t)}
	p.Replica.follow(p.Primary)
	p.Primary.SQL("ALTER SYSTEM SET synchronous_standby_names = '" + replicaName + "'")
	p.Primary.SQL("SELECT pg_reload_conf()")
	p.awaitInStep()
	return p
}

// NewURL makes an empty database and returns its URL, which names both servers.
func (p *PostgresPair) NewURL(t testing.TB) string {
	t.Helper()
	name := p.Primary.newDatabase(t)
	Await(t, "the replica has "+name, func(ctx context.Context) bool {
		return p.Replica.Holds(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = '"+name+"')")
	})
	return "postgres://postgres@" + p.Primary.Address + "," + p.Replica.Address + "/" + name +
		"?sslmode=disable&target_session_attrs=read-write"
}

// FailOver crashes the primary and promotes the replica, which answers commits
// alone from then on.
func (p *PostgresPair) FailOver() {
	p.Primary.Kill()
	p.Replica.Promote()
}

// Rejoin starts the failed primary again, as a replica of the new one: it reads,
// and refuses to write.
func (p *PostgresPair) Rejoin() {
	p.Primary.t.Helper()
	if err := os.RemoveAll(p.Primary.data()); err != nil {
		p.Primary.t.Fatal(err)
	}
	p.Primary.follow(p.Replica)
}

// Promote makes a replica a primary and waits until it takes writes.
func (p *Postgres) Promote() {
	p.t.Helper()
	p.SQL("SELECT pg_promote(true, 30)")
}

// SQL runs a statement as superuser.
func (p *Postgres) SQL(statement string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

// Holds tells whether a query that answers one boolean answers true.
func (p *Postgres) Holds(ctx context.Context, query string) (holds bool) {
	return p.scan(ctx, query, &holds) == nil && holds
}

// scan answers a query for one value.
func (p *Postgres) scan(ctx context.Context, query string, value any) error {
	conn, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, query).Scan(value)
}

// follow copies another server and starts as its replica.
func (p *Postgres) follow(primary *Postgres) {
	p.t.Helper()
	p.command("pg_basebackup", "-D", p.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
		"-d", "postgres://postgres@"+primary.Address+"/?application_name="+replicaName)
	p.Start()
}

func (p *PostgresPair) awaitInStep() {
	p.Primary.t.Helper()
	Await(p.Primary.t, "the replica is in step", func(ctx context.Context) bool {
		return p.Primary.Holds(ctx, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	})
}
