package httptransport_test

import (
	"encoding/json"
	"testing"

	"syncline/synckit/transport/httptransport"
)

// FuzzPush feeds bodies to the handler: it answers each, and takes only what
// comes out again as it went in.
func FuzzPush(f *testing.F) {
	for _, seed := range []string{
		oneEvent, `[]`, `[null]`, `{`, `[{"event":{"id":"\u0000<\u2028","metadata":{"a":1e400}},"version":"{\"A\":1}"}]`,
		`[{"event":{"id":"a","data":[[[[1]]]]},"version":"5@n"},{"event":{"id":"a"}}]`, "[{\"event\":{\"id\":\"\xff\"}}]",
		`[{"event":{"id":"m","metadata":{"synckit.clock":-1,"z":{}}}}]`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(zipped(seed)), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, compressed bool) {
		h := newHandler(newStore(t), &httptransport.ServerOptions{MaxRequestBytes: 1 << 16, MaxDecompressedBytes: 1 << 18})
		encoding := "identity"
		if compressed {
			encoding = "gzip"
		}
		pushed := ask(t, h, "POST", "/push", string(body), "Content-Encoding", encoding)
		var answer struct{ Stored []string }
		if err := json.Unmarshal(pushed.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v in %s", err, pushed.Body)
		}
		pulled := ask(t, h, "GET", "/pull", "")
		var events documented
		if err := json.Unmarshal(pulled.Body.Bytes(), &events); err != nil {
			t.Fatalf("%v in %s", err, pulled.Body)
		}
		distinct := map[string]bool{}
		for _, id := range answer.Stored {
			distinct[id] = true
		}
		if pulled.Code != 200 || len(events) != len(distinct) {
			t.Fatalf("%d: %d events of %d stored", pulled.Code, len(events), len(distinct))
		}
		again := ask(t, newHandler(newStore(t), nil), "POST", "/push", pulled.Body.String())
		if again.Code != 200 {
			t.Fatalf("what was pulled is refused: %s", again.Body)
		}
	})
}
