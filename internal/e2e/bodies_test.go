package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// A body that is read has a time by its length, whatever stands around the
// handler; one that is not read, or does not come, keeps no connection for long.
func TestTimeOfBodies(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	bodyOf := func(length int) string {
		begin, end := `{"query":"{viewer{id}}","extensions":{"padding":"`, `"}}`
		return begin + strings.Repeat("x", length-len(begin)-len(end)) + end
	}
	head := func(body string, signed bool) string {
		r := httptest.NewRequest(http.MethodPost, server.URL(), strings.NewReader(body))
		if signed {
			if err := signing.SignRequest(r, []byte(body), newKey(t), time.Now(), signing.NewNonce()); err != nil {
				t.Fatal(err)
			}
		}
		var wire strings.Builder
		fmt.Fprintf(&wire, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", server.Address, len(body))
		if err := r.Header.Write(&wire); err != nil {
			t.Fatal(err)
		}
		return wire.String() + "\r\n"
	}
	for name, test := range map[string]struct {
		signed       bool
		length, sent int // bytes of the body
		later        int // bytes that follow after longer than a connection is kept for a body that nobody reads
		status       int
	}{
		"slow":    {true, 1 << 20, 1<<20 - 1, 1, http.StatusOK}, // has 21 s by its length
		"half":    {true, 64 << 10, 32 << 10, 0, http.StatusBadRequest},
		"refused": {false, 64 << 10, 100, 0, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", server.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(45 * time.Second)); err != nil {
				t.Fatal(err)
			}
			body := bodyOf(test.length)
			if _, err := io.WriteString(conn, head(body, test.signed)+body[:test.sent]); err != nil {
				t.Fatal(err)
			}
			if test.later > 0 {
				<-time.After(12 * time.Second)
				if _, err := io.WriteString(conn, body[test.sent:test.sent+test.later]); err != nil {
					t.Fatal(err)
				}
			}
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != test.status {
				t.Errorf("HTTP %d, %s, %v; want %d", res.StatusCode, answer, err, test.status)
			}
			if test.status == http.StatusOK {
				return
			}
			if _, err := reader.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
}
