package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// gateways are proxies with the configuration that docs/deployment.md shows for an
// upgrade without a client's error, and their own defaults in all else.
var gateways = map[string]struct {
	debianPackage string
	config        string // %[1]s: its address; %[2]s, %[3]s: the instances'; %[4]s: a directory
	args          []string
	drain         string // DRAIN_DELAY
}{
	"nginx": {"nginx-light", `daemon off;
master_process off;
pid %[4]s/pid;
error_log stderr error;
events {}
http {
  access_log off;
  client_body_temp_path %[4]s/body; proxy_temp_path %[4]s/proxy; fastcgi_temp_path %[4]s/fastcgi; uwsgi_temp_path %[4]s/uwsgi; scgi_temp_path %[4]s/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  upstream syncline {
    server %[2]s;
    server %[3]s;
  }
  server {
    listen %[1]s;
    location / {
      proxy_pass http://syncline;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`, []string{"-e", "stderr", "-c"}, "1s"},
	"haproxy": {"haproxy", `defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend clients
  bind %[1]s
  default_backend instances
backend instances
  option httpchk GET /readyz
  server one %[2]s check
  server two %[3]s check
`, []string{"-db", "-f"}, "15s"},
	"caddy": {"caddy", `{
  admin off
  auto_https off
}
http://%[1]s {
  reverse_proxy %[2]s %[3]s {
    health_uri /readyz
    health_interval 2s
    lb_try_duration 5s
  }
}
`, []string{"run", "--adapter", "caddyfile", "--config"}, "15s"},
}

// startGateway starts one of them in front of two instances and answers its address.
func startGateway(t *testing.T, name string, instances [2]*testservers.Syncline) (address string) {
	t.Helper()
	gateway, address := gateways[name], testservers.FreeAddress(t)
	dir, err := os.MkdirTemp("", "syncline-gateway-") // nginx's workers, who are nobody, must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, fmt.Appendf(nil, gateway.config, address, instances[0].Address, instances[1].Address, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testservers.Installed(t, name, gateway.debianPackage), append(gateway.args, file)...)
	cmd.Env = append(os.Environ(), "HOME="+dir) // where Caddy keeps what it keeps
	program := testservers.StartServer(t, address, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", name, program.Log())
		}
	})
	return address
}

// Two instances of the revision before the newest change of the tables are replaced,
// one after the other, by this one. Behind HAProxy and Caddy no client meets an error, and
// behind nginx two at most, though these here try nothing again.
func TestDrillOfAnUpgrade(t *testing.T) {
	drillsAreLong(t)
	before := buildBefore(t)
	postgres, redis := testservers.StartPostgres(t), testservers.StartRedis(t)
	for name := range gateways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics := [2]string{testservers.FreeAddress(t), testservers.FreeAddress(t)}
			var instances [2]*testservers.Syncline
			database := postgres.NewURL(t)
			for i := range instances {
				instances[i] = testservers.StartSynclineOf(t, before, "DATABASE_URL="+database, "REDIS_URL="+redis.URL(),
					"REDIS_PREFIX="+name, "METRICS_LISTEN_ADDRESS="+metrics[i], "DRAIN_DELAY="+gateways[name].drain)
			}
			l := startSlowLoad(t, []string{"http://" + startGateway(t, name, instances) + "/graphql"}, 20*time.Millisecond) // so that all three are not a test of the processor
			replace := func() {
				l.mustGoOn()
				for i, instance := range instances {
					if err := instance.Stop(); err != nil {
						t.Errorf("the instance that was told to stop: %v\n%s", err, instance.Log())
					}
					instance.SetProgram("")
					instance.Start()
					testservers.Await(t, "the new instance serves", func(context.Context) bool {
						_, figures := fetch(t, "GET", "http://"+metrics[i]+"/metrics")
						return strings.Contains(figures, `field="writeRecords"`)
					})
				}
				l.mustGoOn()
			}
			p, resets := l.during("two instances are replaced", replace), 0
			if name == "nginx" {
				// nginx does not ask who is ready, and the revision of before resets who
				// is in the kernel's queue when it closes: each writer once at each of two
				// stops, at most.
				if p.notApplied+p.unknown+p.corrected > 0 || p.lost > 2*writerCount {
					t.Errorf("clients met errors: %q", p.errors)
				}
				p = l.during("two instances are restarted", replace)
				// This one must not. Only who connects between its last look at the queue and
				// the closing of the listener is still reset.
				resets = 2
			}
			if p.notApplied+p.unknown+p.corrected > 0 || p.lost > resets {
				t.Errorf("clients met errors: %q", p.errors)
			}
			l.finish()
		})
	}
}

// buildBefore builds the server as it was before the newest change of PostgreSQL's
// tables, which it has from the history.
func buildBefore(t *testing.T) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := `set -euo pipefail
changed=$(git log --diff-filter=A -1 --format=%H -- ent/migrations/postgres)
git archive "$changed^" | tar x -C "$0"
cd "$0"
CGO_ENABLED=0 go build -o "$0/syncline" .
echo "$changed"`
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script, dir)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("build the revision before the newest migration, which needs the history (git fetch --unshallow): %v\n%s", err, out)
	}
	t.Logf("built the revision before %s", out)
	return filepath.Join(dir, "syncline")
}
