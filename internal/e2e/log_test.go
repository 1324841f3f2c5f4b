package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// startLogging starts a server whose log goes to a pipe, and gives the end that is
// to be read.
func startLogging(t *testing.T, env ...string) (*testservers.Syncline, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	env = append(env, "LOG_LEVEL=info", "LOG_PIPE="+path)
	return testservers.StartSynclineBy(t, []string{"sh", "-c", `exec "$0" 2>"$LOG_PIPE"`}, env...), log
}

// request sends a request that has a line in the log of several hundred bytes.
func request(t *testing.T, server *testservers.Syncline) {
	t.Helper()
	body := `{"query":"{ ` + strings.Repeat("limits { maxPage } ", 40) + `}"}`
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // who waits for the log waits for ever
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL(), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", strings.Repeat("r", 64))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d, %v", res.StatusCode, err)
	}
}

// A log that nobody reads holds up no request and no stop. Who reads again is told
// how much is missing.
func TestALogThatNobodyReads(t *testing.T) {
	t.Parallel()
	metrics := testservers.FreeAddress(t)
	server, log := startLogging(t, "METRICS_LISTEN_ADDRESS="+metrics)
	dropped := func() bool {
		_, body := fetch(t, http.MethodGet, "http://"+metrics+"/metrics")
		return !strings.Contains(body, "syncline_log_lines_dropped 0")
	}
	for sent := 0; !dropped(); sent += 500 {
		if sent > 50_000 {
			t.Fatal("the log still takes lines")
		}
		for range 500 {
			request(t, server)
		}
	}
	var text strings.Builder
	buffer := make([]byte, 1<<16)
	testservers.Await(t, "the log tells that lines are missing", func(context.Context) bool {
		_ = log.SetReadDeadline(time.Now().Add(time.Second))
		n, _ := log.Read(buffer)
		text.Write(buffer[:n])
		return strings.Contains(text.String(), "lines are missing")
	})
	for range 5000 { // it is full again
		request(t, server)
	}
	if err := server.Stop(); err != nil {
		t.Error("with a log that is not read the server ended with ", err)
	}
}

// The death of who reads the log is not the server's.
func TestALogWhoseReaderIsGone(t *testing.T) {
	t.Parallel()
	server, log := startLogging(t)
	request(t, server)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		request(t, server)
	}
	if _, err := newClient(t, server.URL(), newKey(t)).Set(t.Context(), "a", []byte(fmt.Sprint(1)), 0); err != nil {
		t.Error(err)
	}
	if err := server.Stop(); err != nil {
		t.Error("the server ended with ", err)
	}
}

// The end of the terminal is a polite stop, too.
func TestHangup(t *testing.T) {
	t.Parallel()
	server := testservers.StartSynclineBy(t, []string{"env", "--default-signal=HUP"}, "LOG_LEVEL=info")
	if err := server.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil || !strings.Contains(server.Log(), "msg=drained") {
		t.Errorf("the server ended with %v\n%s", err, server.Log())
	}
}
