package testservers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Patroni is a PostgreSQL of three servers, of which Patroni makes one the primary.
// The others are its replicas; one of them is always synchronous.
type Patroni struct {
	nodes []*patroniNode
	t     testing.TB
}

type patroniNode struct {
	*Server
	name     string
	api      string    // address of Patroni's own
	postgres *Postgres // is not started by this package: where it is, and how its programs run
	config   string
}

// patroniConfig is Patroni's: short times, so that a failover takes seconds.
const patroniConfig = `scope: syncline
name: %[1]s
restapi: {listen: '%[2]s', connect_address: '%[2]s'}
etcd3: {host: '%[3]s'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: {max_connections: 100, fsync: 'off', wal_log_hints: 'on'}
  initdb: [{encoding: UTF8}, {locale: C}, {auth: trust}]
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
postgresql:
  listen: '%[4]s'
  connect_address: '%[4]s'
  data_dir: '%[5]s/data'
  bin_dir: '%[6]s'
  pgpass: '%[5]s/pgpass'
  parameters: {unix_socket_directories: '%[5]s'}
  authentication:
    superuser: {username: postgres}
    replication: {username: postgres}
    rewind: {username: postgres}
watchdog: {mode: 'off'}
`

// StartPatroni starts three nodes and the etcd by which they agree, and waits until
// there are a primary and a synchronous replica.
func StartPatroni(t testing.TB) *Patroni {
	t.Helper()
	etcd := startEtcd(t)
	p := &Patroni{t: t}
	program := Installed(t, "patroni", "patroni")
	for i := range 3 {
		node := &patroniNode{name: fmt.Sprint("node", i), api: FreeAddress(t), postgres: newPostgres(t)}
		node.config = filepath.Join(node.postgres.dir, "patroni.yml")
		config := fmt.Sprintf(patroniConfig, node.name, node.api, etcd, node.postgres.Address, node.postgres.dir, node.postgres.bin)
		if err := os.WriteFile(node.config, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		p.nodes = append(p.nodes, node)
		node.start(t, program)
	}
	Await(t, "Patroni has a primary and a synchronous replica", func(ctx context.Context) bool {
		states := p.states(ctx)
		return strings.Contains(states, "leader") && strings.Contains(states, "sync_standby")
	})
	return p
}

func startEtcd(t testing.TB) (address string) {
	t.Helper()
	address, peers := FreeAddress(t), "http://"+FreeAddress(t)
	StartServer(t, address, exec.Command(Installed(t, "etcd", "etcd-server"), "--data-dir", t.TempDir(), "--unsafe-no-fsync",
		"--listen-client-urls", "http://"+address, "--advertise-client-urls", "http://"+address,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers))
	return address
}

// start starts the node. When Patroni is killed, its PostgreSQL goes on: Cleanup ends it.
func (n *patroniNode) start(t testing.TB, program string) {
	t.Helper()
	// Into a file: PostgreSQL inherits where Patroni writes to, and outlives it.
	cmd := exec.Command("sh", "-c", `exec "$0" "$1" >>log 2>&1`, program, n.config)
	cmd.SysProcAttr, cmd.Dir = n.postgres.attr, n.postgres.dir
	t.Cleanup(n.killPostgres)
	n.Server = StartServer(t, n.api, cmd)
}

// killPostgres ends the node's PostgreSQL at once.
func (n *patroniNode) killPostgres() {
	pid, err := os.ReadFile(filepath.Join(n.postgres.data(), "postmaster.pid"))
	if err != nil {
		return // it does not run
	}
	number, _, _ := strings.Cut(string(pid), "\n")
	_ = exec.Command("kill", "-9", number).Run() // it may have ended meanwhile
}

// KillPrimary ends the primary and the Patroni beside it at once, as a machine that
// fails, and answers when another one takes writes.
func (p *Patroni) KillPrimary() {
	p.t.Helper()
	node := p.primary()
	node.Kill()
	node.killPostgres()
	Await(p.t, "Patroni has promoted another", func(ctx context.Context) bool {
		other := p.find(ctx, "leader")
		return other != nil && other != node && other.postgres.Holds(ctx, "SELECT NOT pg_is_in_recovery()")
	})
}

// RestartKilled starts those that KillPrimary ended, which become replicas, and waits
// until all follow.
func (p *Patroni) RestartKilled() {
	p.t.Helper()
	for _, node := range p.nodes {
		select {
		case <-node.process.done:
			node.start(p.t, Installed(p.t, "patroni", "patroni"))
		default:
		}
	}
	Await(p.t, "two replicas stream", func(ctx context.Context) bool {
		primary := p.find(ctx, "leader")
		return primary != nil && primary.postgres.Holds(ctx, "SELECT count(*) = 2 FROM pg_stat_replication WHERE state = 'streaming'")
	})
}

// SwitchOver has the synchronous replica take over, as before maintenance.
func (p *Patroni) SwitchOver() {
	p.t.Helper()
	before := p.primary()
	body := fmt.Sprintf(`{"leader":%q}`, before.name)
	res, err := http.Post("http://"+before.api+"/switchover", "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
	Await(p.t, "another is the primary", func(ctx context.Context) bool {
		now := p.find(ctx, "leader")
		return now != nil && now != before
	})
}

func (p *Patroni) primary() (node *patroniNode) {
	p.t.Helper()
	Await(p.t, "there is a primary", func(ctx context.Context) bool {
		node = p.find(ctx, "leader")
		return node != nil
	})
	return node
}

// cluster is what Patroni says of all nodes.
type cluster struct {
	Members []struct{ Name, Role, State string }
}

func (p *Patroni) cluster(ctx context.Context) (c cluster) {
	for _, node := range p.nodes {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+node.api+"/cluster", nil)
		if err != nil {
			continue
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // this node is down
		}
		err = json.NewDecoder(res.Body).Decode(&c)
		res.Body.Close()
		if err == nil {
			return c
		}
	}
	return c
}

func (p *Patroni) states(ctx context.Context) string { return fmt.Sprint(p.cluster(ctx)) }

// find is the node with a role; nil if none has it.
func (p *Patroni) find(ctx context.Context, role string) *patroniNode {
	for _, member := range p.cluster(ctx).Members {
		for _, node := range p.nodes {
			if member.Role == role && member.Name == node.name {
				return node
			}
		}
	}
	return nil
}

// NewURL makes an empty database and returns its URL, which names all servers.
func (p *Patroni) NewURL(t testing.TB) string {
	t.Helper()
	primary := p.primary()
	name := primary.postgres.newDatabase(t)
	var addresses []string
	for _, node := range p.nodes {
		addresses = append(addresses, node.postgres.Address)
	}
	return "postgres://postgres@" + strings.Join(addresses, ",") + "/" + name + "?sslmode=disable&target_session_attrs=read-write"
}
