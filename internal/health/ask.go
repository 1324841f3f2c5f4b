package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// askTimeout is longer than a probe may take.
const askTimeout = checkTimeout + time.Second

// Ask asks the server that listens on address, in the form of net.Listen,
// whether it is ready. The error tells what it answered instead.
func Ask(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if host == "" {
		host = "127.0.0.1" // needs no name server
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	// A transport of its own: proxies of the environment are for other hosts.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askTimeout}
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
