package health

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// askTimeout is longer than a probe may take.
const askTimeout = checkTimeout + time.Second

// Ask asks the server that listens on address, in the form of net.Listen or
// unix:/path, whether it is ready. encrypted: it speaks TLS. The error tells what it
// answered instead.
func Ask(ctx context.Context, address string, encrypted bool) error {
	network, scheme := "tcp", "http"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	} else {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		address = net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port) // needs no name server
		if encrypted {
			scheme = "https"
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost/readyz", nil)
	if err != nil {
		return err
	}
	// A transport of its own: proxies of the environment are for other hosts.
	client := http.Client{Timeout: askTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate has public names, and nothing secret is asked
	}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // what arrived will do
		return fmt.Errorf("not ready: HTTP %d %s", res.StatusCode, bytes.TrimSpace(said))
	}
	return nil
}
