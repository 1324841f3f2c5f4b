package synclinetransport_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/transport/synclinetransport"
	"syncline/synckit/transport/transporttest"
)

func newKey(t *testing.T) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newClient makes a client whose connections end with the test.
func newClient(t *testing.T, endpoint string, key signing.PrivateKey, options ...client.Option) *client.Client {
	t.Helper()
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	c, err := client.New(endpoint, key, append(options, client.WithHTTPClient(&http.Client{Transport: connections}))...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, endpoint string, key signing.PrivateKey) *synclinetransport.Transport {
	t.Helper()
	transport := synclinetransport.New(newClient(t, endpoint, key), nil)
	t.Cleanup(func() { transport.Close() })
	return transport
}

func TestConformance(t *testing.T) {
	t.Parallel()
	shared := testservers.StartSyncline(t)
	transporttest.Run(t, func(t *testing.T, needs ...transporttest.Ability) transporttest.Peer {
		key, server := newKey(t), shared // each key has a log of its own
		if slices.Contains(needs, transporttest.Stopping) || slices.Contains(needs, transporttest.Replacing) {
			server = testservers.StartSyncline(t)
		}
		return transporttest.Peer{
			Connect: func(t *testing.T) synckit.Transport { return connect(t, server.URL(), key) },
			Stop:    func(*testing.T) { server.Kill() },
			Start:   func(*testing.T) { server.Start() },
			Replace: func(t *testing.T) {
				server.Kill()
				empty(t, server.Dir)
				server.Start()
			},
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := connect(t, server.URL(), key).Push(t.Context(), []synckit.EventWithVersion{e}); err != nil {
					t.Fatal(err)
				}
			},
			Cannot: map[transporttest.Ability]string{
				transporttest.Failing: "the server is another process; TestFailures has one that fails on demand",
			},
		}
	})
}

// empty deletes what is in a directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			t.Fatal(err)
		}
	}
}
