package breez_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

// Clients reach the service through nginx as the documents set it up, save for TLS.
func TestThroughNginx(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	address := startNginx(t, documentedBlock(t), server.Address)
	u := newUser(t)
	one := device{t, u, protocols[0].client(t, address), "one"}
	two := device{t, u, protocols[0].client(t, address), "two"}
	api := u.graphQL(t, server)
	testRecords(t, one, two, api)
	testLocks(t, one, two, api)
}

func documentedBlock(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/migrating-from-breez.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```nginx\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("the documents have no configuration of nginx")
	}
	return block
}

func startNginx(t *testing.T, block, upstream string) (address string) {
	t.Helper()
	program := "/usr/sbin/nginx"
	if found, err := exec.LookPath("nginx"); err == nil {
		program = found
	}
	dir, err := os.MkdirTemp("", "syncline-nginx-") // its workers, who are nobody, must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	address = testservers.FreeAddress(t)
	for _, change := range [][2]string{
		{"listen 443 ssl http2;", "listen " + address + " http2;"},
		{"grpc://127.0.0.1:8080", "grpc://" + upstream},
	} {
		if strings.Count(block, change[0]) != 1 {
			t.Fatalf("want %q once", change[0])
		}
		block = strings.Replace(block, change[0], change[1], 1)
	}
	conf := "events {}\nerror_log stderr;\npid pid;\ndaemon off;\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf+block+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The shell stops it when its input ends, also if this process is killed.
	cmd := exec.Command("sh", "-c", `"$@" & server=$!; read -r line; kill -TERM $server; wait $server`, "sh", program, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	testservers.Await(t, "nginx listens", func(context.Context) bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return address
}
