package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/client"
	"syncline/internal/testservers"
)

func newCertificate(t *testing.T) testservers.Certificate {
	t.Helper()
	c, err := testservers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trusting is a transport for a server with this certificate, that notes the
// protocols of what it was answered.
type trusting struct {
	http.Transport
	protocols chan string
}

func trust(t *testing.T, c testservers.Certificate) *trusting {
	t.Helper()
	pem, err := os.ReadFile(c.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	tr := &trusting{protocols: make(chan string, 1000)}
	tr.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	tr.ForceAttemptHTTP2 = true
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (t *trusting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.Transport.RoundTrip(r)
	if err == nil {
		t.protocols <- res.Proto
	}
	return res, err
}

// Clients of all kinds reach a server that has its own certificate: signed requests by
// HTTP/2, WebSockets, syncctl, curl, and those of Breez data-sync.
func TestTLS(t *testing.T) {
	t.Parallel()
	c, grpc := newCertificate(t), testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "TLS_CERT_FILE="+c.File, "TLS_KEY_FILE="+c.KeyFile,
		"PUBLIC_AUTHORITIES=127.0.0.1,sync.example", "BREEZ_COMPATIBILITY=true", "GRPC_LISTEN_ADDRESS="+grpc)
	for _, authority := range []string{"127.0.0.1", "127.0.0.1:443"} { // the port that https has anyway is no part of the name
		tr := trust(t, c)
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Address)
		}
		signed := newDevice("https://"+authority+"/graphql", newKey(t))
		signed.http.Transport = tr
		if err := signed.set(t, "by-http2", []byte("1")); err != nil {
			t.Errorf("a signed write to %s: %v", authority, err)
		} else if p := <-tr.protocols; p != "HTTP/2.0" {
			t.Errorf("it went by %s", p)
		}
	}
	if _, _, err := testservers.Run(t, []string{"LISTEN_ADDRESS=" + server.Address, "TLS_CERT_FILE=" + c.File, "TLS_KEY_FILE=" + c.KeyFile}, "healthcheck"); err != nil {
		t.Error("healthcheck: ", err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--http1.1"}, "1.1 200"},
		{[]string{"--http2"}, "2 200"},
		{[]string{"--tls-max", "1.2"}, "2 200"},
		{[]string{"--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"}, "0 000"},
	} {
		args := append([]string{"-s", "--cacert", c.File, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"}, test.args...)
		out, _ := exec.CommandContext(t.Context(), "curl", append(args, "https://"+server.Address+"/readyz")...).Output()
		if string(out) != test.want {
			t.Errorf("curl %s: %q, want %q", test.args, out, test.want)
		}
	}
	tr := trust(t, c)
	calls := syncpbconnect.NewSyncerClient(&http.Client{Transport: tr}, "https://"+grpc, connect.WithGRPC())
	if _, err := calls.ListChanges(t.Context(), connect.NewRequest(&syncpb.ListChangesRequest{})); connect.CodeOf(err) == connect.CodeUnavailable || connect.CodeOf(err) == connect.CodeUnknown {
		t.Error("a call by gRPC does not reach the service: ", err)
	} else if p := <-tr.protocols; p != "HTTP/2.0" {
		t.Errorf("gRPC went by %s", p)
	}
}

// A certificate that is replaced is shown to who connects from then on. One that cannot be used is
// not, and the log and the figures say so.
func TestTLSCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	c, figures := newCertificate(t), testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "TLS_CERT_FILE="+c.File, "TLS_KEY_FILE="+c.KeyFile, "METRICS_LISTEN_ADDRESS="+figures)
	key := newKey(t)
	tr := trust(t, c)
	owner, err := client.New("https://"+server.Address+"/graphql", key, client.WithHTTPClient(&http.Client{Transport: &tr.Transport}))
	if err != nil {
		t.Fatal(err)
	}
	follow, stop := context.WithCancel(t.Context())
	defer stop()
	heard := make(chan string, 10)
	go func() {
		for event, err := range owner.Follow(follow, client.Beginning) { // by WebSocket
			if err != nil {
				return
			}
			if event.Record.ID != "" {
				heard <- event.Record.ID
			}
		}
	}()
	write := func(id string) {
		t.Helper()
		if _, err := owner.Set(t.Context(), id, nil, 0); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != id {
			t.Errorf("heard of %q, want %q", got, id)
		}
	}
	write("before")
	shown := func() []byte {
		conn, err := tls.Dial("tcp", server.Address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return nil
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Raw
	}
	first, next := shown(), newCertificate(t)
	replace := func(from, to string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to+".new", content, 0o600)
		}
		if err == nil {
			err = os.Rename(to+".new", to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	figure := func(line string) func(context.Context) bool {
		return func(context.Context) bool {
			_, body := fetch(t, http.MethodGet, "http://"+figures+"/metrics")
			return strings.Contains(body, "\n"+line+"\n")
		}
	}
	replace(next.File, c.File) // without its key
	testservers.Await(t, "the figures tell of a broken pair", figure("syncline_tls_certificate_broken 1"))
	if !bytes.Equal(shown(), first) {
		t.Error("the last good certificate is not shown any more")
	}
	testservers.Await(t, "the log tells of it", func(context.Context) bool {
		return strings.Contains(server.Log(), "the new certificate cannot be used")
	})
	replace(next.KeyFile, c.KeyFile)
	testservers.Await(t, "the new certificate is shown", func(context.Context) bool { s := shown(); return s != nil && !bytes.Equal(s, first) })
	testservers.Await(t, "the figures tell that all is well", figure("syncline_tls_certificate_broken 0"))
	write("after") // by the connections that there were
}

// By a Unix socket a server is reached like by any other way, by those whom its mode lets.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "unix") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	address := "LISTEN_ADDRESS=unix:" + socket
	server := testservers.StartSyncline(t, address, "LISTEN_SOCKET_MODE=0620", "TRUSTED_PROXIES=unix", "LOG_LEVEL=info")
	if info, err := os.Stat(socket); err != nil || info.Mode() != os.ModeSocket|0o620 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	curl := func(more ...string) string {
		args := append([]string{"-s", "--unix-socket", socket, "-H", "Content-Type: application/json", "-d", `{"query":"{limits {maxBatch}}"}`}, more...)
		out, err := exec.CommandContext(t.Context(), "curl", append(args, "http://localhost/graphql")...).Output()
		if err != nil {
			t.Error(err)
		}
		return string(out)
	}
	if got := curl("-H", "X-Forwarded-For: 203.0.113.7", "-H", "X-Request-Id: forwarded"); !strings.Contains(got, `"maxBatch":100`) {
		t.Error(got)
	}
	testservers.Await(t, "the log has the address that a proxy tells", func(context.Context) bool {
		return strings.Contains(server.Log(), "id=forwarded") && strings.Contains(server.Log(), "address=203.0.113.7")
	})
	signed := newDevice("http://localhost/graphql", newKey(t))
	signed.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	if err := signed.set(t, "a", []byte("1")); err != nil {
		t.Error("a signed write: ", err)
	}
	if _, _, err := testservers.Run(t, []string{address}, "healthcheck"); err != nil {
		t.Error("healthcheck: ", err)
	}
	if _, stderr, err := testservers.Run(t, []string{address, "SQLITE_DIR_PATH=" + t.TempDir()}); err == nil || !strings.Contains(stderr, "another instance listens on "+socket) {
		t.Errorf("a second instance: %v, %s", err, stderr)
	}
	server.Kill() // which leaves the socket
	server.Start()
	if got := curl(); !strings.Contains(got, `"maxBatch":100`) {
		t.Error("after it was killed: ", got)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is there after the server's end")
	}
	if err := os.WriteFile(socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := testservers.Run(t, []string{address, "SQLITE_DIR_PATH=" + t.TempDir()}); err == nil || !strings.Contains(stderr, "no socket: it is not replaced") {
		t.Errorf("in place of a file: %v, %s", err, stderr)
	}
}
