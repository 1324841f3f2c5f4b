package deploy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// compressingNginx is a configuration as people have it who never thought of
// event streams: it buffers answers, and compresses all kinds of text.
const compressingNginx = `
events {}
http {
    gzip on;
    gzip_min_length 0;
    gzip_proxied any;
    gzip_types *;
    server {
        listen ADDRESS;
        location / {
            proxy_pass http://INSTANCE;
            proxy_set_header Host $http_host;
        }
    }
}
`

// Events arrive one by one through a proxy that compresses what it can.
func TestEventStreamThroughACompressingProxy(t *testing.T) {
	t.Parallel()
	address := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "PUBLIC_AUTHORITIES="+address)
	startNginxWith(t, address, strings.NewReplacer("ADDRESS", address, "INSTANCE", server.Address).Replace(compressingNginx))

	key := newKey(t)
	body := []byte(`{"query":"subscription { recordChanged { kind record { id } } }"}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip") // as browsers do
	if err := signing.SignRequest(req, body, key, time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if cache := res.Header.Get("Cache-Control"); !strings.Contains(cache, "no-transform") {
		t.Errorf("Cache-Control is %q: a proxy that goes by it compresses the stream", cache)
	}
	var stream io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" { // nginx does not go by it, but sends on what it has
		if stream, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(stream)
	requireLine(t, lines, "CAUGHT_UP")
	for _, id := range []string{"a", "b", "c"} {
		if _, err := newClient(t, address, key).Set(t.Context(), id, nil, 0); err != nil {
			t.Fatal(err)
		}
		requireLine(t, lines, "CHANGED")
	}
}
