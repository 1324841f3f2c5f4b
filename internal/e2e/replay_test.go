package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// captured is what somebody took down of a user: a request, and the first message
// of a connection.
type captured struct {
	body    []byte
	headers http.Header
	init    map[string]any
}

func capture(t *testing.T, server *testservers.Syncline) captured {
	t.Helper()
	key, created := newKey(t), time.Now()
	c := captured{body: []byte(`{"query":"{ viewer { id } }"}`)}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, c.body, key, created, signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	c.headers = req.Header.Clone()
	signed, err := signing.SignWebSocket(req.URL, key, created, signing.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	c.init = map[string]any{"signature-input": signed.SignatureInput, "signature": signed.Signature}
	return c
}

// request is the code with which the request is refused, empty if it serves.
func (c captured) request(t *testing.T, server *testservers.Syncline) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.headers.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Errors) == 0 {
		return ""
	}
	return answer.Errors[0].Extensions.Code
}

// connect is the reason for which the connection is closed, empty if it is let in.
func (c captured) connect(t *testing.T, server *testservers.Syncline) string {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	conn, _, err := dialer.DialContext(t.Context(), strings.Replace(server.URL(), "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "connection_init", "payload": c.init}); err != nil {
		t.Fatal(err)
	}
	_, message, err := conn.ReadMessage()
	if closed, ok := err.(*websocket.CloseError); ok { //nolint:errorlint // not wrapped
		return closed.Text
	}
	if err != nil || !strings.Contains(string(message), "connection_ack") {
		t.Fatalf("%s, %v", message, err)
	}
	return ""
}

// mustServe takes it to the server for the first time.
func (c captured) mustServe(t *testing.T, server *testservers.Syncline) {
	t.Helper()
	if code := c.request(t, server); code != "" {
		t.Errorf("a request: %s", code)
	}
	if reason := c.connect(t, server); reason != "" {
		t.Errorf("a connection: %s", reason)
	}
}

func (c captured) mustNotServe(t *testing.T, server *testservers.Syncline, code string) {
	t.Helper()
	if got := c.request(t, server); got != code {
		t.Errorf("a captured request is answered %q, want %s", got, code)
	}
	if reason := c.connect(t, server); !strings.Contains(reason, code) {
		t.Errorf("a captured connection_init is answered %q, want %s", reason, code)
	}
}

// What was captured serves nowhere, whatever restarts and whatever Redis forgets.
func TestCapturedRequestsServeNowhere(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	for _, strict := range []string{"NONCE_STRICT=true", "NONCE_STRICT=false"} {
		t.Run(strict, func(t *testing.T) {
			t.Parallel()
			redis, database := testservers.StartRedis(t), postgres.NewURL(t)
			server := testservers.StartSyncline(t, "DATABASE_URL="+database, "REDIS_URL="+redis.URL(), strict)
			first := capture(t, server)
			first.mustServe(t, server)
			first.mustNotServe(t, server, "NONCE_REUSED")

			server.Kill() // Redis knows
			server.Start()
			first.mustNotServe(t, server, "NONCE_REUSED")
			second := capture(t, server)
			second.mustServe(t, server)

			server.Kill() // nobody knows
			redis.Kill()
			redis.Start()
			server.Start()
			first.mustNotServe(t, server, "SIGNATURE_EXPIRED")
			second.mustNotServe(t, server, "SIGNATURE_EXPIRED")
			third := capture(t, server)
			third.mustServe(t, server)

			sibling := testservers.StartSyncline(t, "DATABASE_URL="+database, "REDIS_URL="+redis.URL(), strict, "PUBLIC_AUTHORITIES="+server.Address)
			third.mustNotServe(t, sibling, "NONCE_REUSED")
			fourth := capture(t, server)
			fourth.mustServe(t, server)
			redis.Kill()
			redis.Start()
			testservers.Await(t, "the sibling knows that Redis is back", func(context.Context) bool {
				return capture(t, server).request(t, sibling) != "UNAVAILABLE"
			})
			for _, c := range []captured{first, second, fourth} {
				c.mustNotServe(t, sibling, "SIGNATURE_EXPIRED")
			}
			fourth.mustNotServe(t, server, "NONCE_REUSED")
		})
	}
}
