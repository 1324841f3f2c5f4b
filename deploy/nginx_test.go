package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// startNginx runs nginx with nginx.conf, in front of two instances. Only addresses
// and the places of its files are other than in the container. It answers where
// the log is.
func startNginx(t *testing.T, address string, instances [2]string) (logFile string) {
	t.Helper()
	conf := read(t, "nginx.conf")
	for _, change := range [][2]string{
		{"listen 80;", "listen " + address + ";"},
		{"server syncline-1:8080 ", "server " + instances[0] + " "},
		{"server syncline-2:8080 ", "server " + instances[1] + " "},
	} {
		if strings.Count(conf, change[0]) != 1 {
			t.Fatalf("nginx.conf: want %q once", change[0])
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	return startNginxWith(t, address, conf)
}

// startNginxWith runs nginx with a configuration that has one http block.
func startNginxWith(t *testing.T, address, conf string) (logFile string) {
	t.Helper()
	program := testservers.Installed(t, "nginx", "nginx-light")
	dir, err := os.MkdirTemp("", "syncline-nginx-") // its workers, who are nobody, must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf = strings.Replace(conf, "http {\n", "http {\n"+temporaryPaths(dir), 1)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	logFile = filepath.Join(dir, "log")
	runProxy(t, logFile, program, "-p", dir, "-c", file, "-e", "stderr", "-g", "daemon off; pid "+filepath.Join(dir, "pid")+";")
	awaitListener(t, address)
	return logFile
}

func temporaryPaths(dir string) string {
	var lines strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&lines, "%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	return lines.String()
}

// runProxy runs a proxy below a shell that stops it when its standard input ends, which
// happens even when the test process is killed. Its log is shown if the test fails.
func runProxy(t *testing.T, logFile string, words ...string) {
	t.Helper()
	log, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", `"$@" & server=$!; read -r line; kill -TERM $server; wait $server`, "sh"}, words...)...)
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // the shell's status is of no interest
		log.Close()
		if t.Failed() {
			t.Logf("it said:\n%s", read(t, logFile))
		}
	})
}

func awaitListener(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the proxy is not ready after 30 s: %v", err)
		}
	}
}
