package transport_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"syncline/graph/transport"
)

// An operation that cannot be taken ends by itself, and no other of its socket.
func TestABadOperationLeavesItsSocket(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxRequestBytes: 60_000})
	p := f.open()
	p.subscribe("live", `subscription { lockChanged(name: "a") { name } }`)
	p.expect(next("live", `{"data":{"lockChanged":{"name":"a"}}}`))
	for _, c := range []struct{ message, reason string }{
		{`{"id":"bad","type":"subscribe","payload":{"query":"{__typename}","variables":{"x":"party \ud83c"}}}`, `half of a surrogate pair`},
		{`{"payload":{"query":"{__typename}","variables":{"x":"party \ud83c"}},"type":"subscribe","id":"bad"}`, `half of a surrogate pair`},
		{"{\"id\":\"bad\",\"type\":\"subscribe\",\"payload\":{\"query\":\"\xff\"}}", `not valid UTF-8`},
		{`{"id":"bad","type":"subscribe","payload":{"query":"{__typename}","query":"{__typename}"}}`, `duplicate name`},
		{`{"id":"bad","type":"subscribe","payload":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, `deep`},
		{`{"id":"bad","type":"subscribe","payload":{"query":"{__typename}","x":[` + strings.Repeat("0,", 20_000) + `0]}}`, `too many values`},
		{`{"id":"bad","type":"subscribe","payload":{"query":`, `not valid JSON`},
		{`{"id":"bad","type":"subscribe"}`, `payload must be an object`},
		{`{"id":"bad","type":"subscribe","payload":"x"}`, `payload must be an object`},
		{`{"id":"bad","type":"subscribe","payload":{}}`, `query must be a string`},
		{`{"id":"bad","type":"subscribe","payload":{"query":"{__typename}","variables":[]}}`, `variables must be an object`},
		{`{"id":"bad","type":"subscribe","payload":{"query":"` + strings.Repeat("x", 100_000) + `"}}`, `too large`},
	} {
		p.send(c.message)
		var answer struct {
			Type, ID string
			Payload  []struct {
				Message    string
				Extensions struct{ Code string }
			}
		}
		text := p.read()
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Type != "error" || answer.ID != "bad" || len(answer.Payload) != 1 {
			t.Fatalf("%.80s is answered %s", c.message, text)
		}
		if got := answer.Payload[0]; got.Extensions.Code != "BAD_USER_INPUT" || !strings.Contains(got.Message, c.reason) {
			t.Errorf("%.80s is answered %s", c.message, text)
		}
	}
	p.subscribe("bad", "{__typename}") // the id is free again
	p.expect(next("bad", `{"data":{"__typename":"Query"}}`), complete("bad"))
	p.send(complete("live"))
}

// What a client says of operations that have ended, or says wrong, is no reason
// to refuse those that go on.
func TestResumeTakesLeftovers(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxOperations: 100})
	p := f.dial()
	var leftovers strings.Builder
	for i := range 300 {
		fmt.Fprintf(&leftovers, `"2c1b4b0e-7f0d-4c60-8a0f-%012d":"AdJ0VUS1_VdvAg",`, i)
	}
	p.send(`{"type":"connection_init","payload":{"resume":{` + leftovers.String() +
		`"null":null,"number":7,"long":"` + strings.Repeat("x", 257) + `","` + strings.Repeat("x", 129) + `":"0","live":"42"}}}`)
	p.expect(`{"type":"connection_ack"}`)
	const changed = "subscription { recordChanged { cursor } }"
	p.subscribe("live", changed)
	p.expect(next("live", `{"data":{"recordChanged":{"cursor":"42"}}}`), complete("live"))
	p.subscribe("null", changed)
	p.expect(next("null", `{"data":{"recordChanged":{"cursor":"0"}}}`), complete("null"))
	for _, id := range []string{"number", "long"} {
		p.subscribe(id, changed)
		if got := p.read(); !strings.HasPrefix(got, `{"type":"error","id":"`+id+`"`) {
			t.Errorf("resume of %q: %s", id, got)
		}
	}
}
