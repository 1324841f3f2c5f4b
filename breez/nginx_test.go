package breez_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/internal/testservers"
)

// Clients reach the service through nginx as the documents set it up: gRPC by HTTP/2 at one of its ports,
// gRPC-Web at the other, both by TLS.
func TestThroughNginx(t *testing.T) {
	t.Parallel()
	web := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "GRPC_WEB_LISTEN_ADDRESS="+web)
	proxy := startNginx(t, server.Address, web)
	for address, want := range map[string]string{proxy.grpc: "h2", proxy.web: "http/1.1"} {
		offer := proxy.tls.Clone()
		offer.NextProtos = []string{"h2", "http/1.1"} // as browsers and most clients do
		conn, err := tls.Dial("tcp", address, offer)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("%s speaks %q, want %q", address, got, want)
		}
		conn.Close()
	}
	for name, clients := range map[string][2]syncpbconnect.SyncerClient{
		"gRPC":                   {proxy.gRPC().client(t, proxy.grpc), proxy.gRPC().client(t, proxy.grpc)},
		"gRPC-Web":               {proxy.gRPCWeb().client(t, proxy.web), proxy.gRPCWeb().client(t, proxy.web)},
		"gRPC and gRPC-Web":      {proxy.gRPC().client(t, proxy.grpc), proxy.gRPCWeb().client(t, proxy.web)},
		"gRPC-Web, beside nginx": {proxy.gRPCWeb().client(t, proxy.web), protocols[2].client(t, web)},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			one, two := device{t, u, clients[0], "one"}, device{t, u, clients[1], "two"}
			api := u.graphQL(t, server)
			testRecords(t, one, two, api)
			testLocks(t, one, two, api)
			one.set("large", make([]byte, 65_536), 0)
		})
	}
}

// Whom nginx speaks for is told as the documents have it, so that each address has limits of its own.
func TestAddressesThroughNginx(t *testing.T) {
	t.Parallel()
	web := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "GRPC_WEB_LISTEN_ADDRESS="+web, "TRUSTED_PROXIES=127.0.0.1", "RATE_LIMITS=on", "RATE_COST=1", "RATE_ADDRESS_FACTOR=1")
	proxy := startNginx(t, server.Address, web)
	for i, way := range []struct {
		protocol
		address string
	}{{proxy.gRPC(), proxy.grpc}, {proxy.gRPCWeb(), proxy.web}} {
		from := func(last int) device {
			p := way.protocol
			p.shared = p.transport(t)
			p.shared.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(i+1), byte(last))}}).DialContext
			return device{t, newUser(t), p.client(t, way.address), ""}
		}
		from(7).set("a", nil, 0) // takes what a minute has, and more
		_, err := from(7).trySet(t.Context(), &syncpb.Record{Id: "a", Data: make([]byte, 200_000)})
		mustFail(t, err, connect.CodeResourceExhausted, "from this address")
		from(8).set("a", nil, 0)
	}
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

// nginx has an address for gRPC, and one for gRPC-Web, and a certificate in which tls trusts.
type nginx struct {
	grpc, web string
	tls       *tls.Config
}

// gRPC is how clients speak at the first, and gRPCWeb at the second.
func (n nginx) gRPC() protocol { return n.encrypted(protocols[0]) }

func (n nginx) gRPCWeb() protocol { return n.encrypted(protocols[2]) }

func (n nginx) encrypted(p protocol) protocol {
	p.tls = n.tls
	return p
}

// startNginx runs it as the documents have it, in front of these.
func startNginx(t *testing.T, grpc, web string) nginx {
	t.Helper()
	block := documentedBlock(t)
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
	certificate, err := testservers.NewCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	proxy := nginx{testservers.FreeAddress(t), testservers.FreeAddress(t), trusting(t, certificate)}
	for _, change := range [][2]string{
		{"listen 443 ssl http2;", "listen " + proxy.grpc + " ssl http2;"},
		{"grpc://127.0.0.1:8080", "grpc://" + grpc},
		{"listen 442 ssl;", "listen " + proxy.web + " ssl;"},
		{"http://127.0.0.1:8081", "http://" + web},
	} {
		if strings.Count(block, change[0]) != 1 {
			t.Fatalf("want %q once", change[0])
		}
		block = strings.Replace(block, change[0], change[1], 1)
	}
	conf := "events {}\nerror_log stderr;\npid pid;\ndaemon off;\nhttp {\naccess_log off;\n" +
		"ssl_certificate " + certificate.File + ";\nssl_certificate_key " + certificate.KeyFile + ";\n"
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
	for _, address := range []string{proxy.grpc, proxy.web} {
		testservers.Await(t, "nginx listens", func(context.Context) bool {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return false
			}
			return conn.Close() == nil
		})
	}
	return proxy
}

// trusting trusts a certificate that vouches for itself.
func trusting(t *testing.T, certificate testservers.Certificate) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(certificate.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots}
}
