package transport_test

import (
	"strings"
	"testing"

	"syncline/graph/transport"
)

// A message may be in fragments, but not in thousands of tiny ones.
func TestFragments(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	p := f.open()
	p.sendFragments(`{"type":"ping"}`)
	p.expect(`{"type":"pong"}`)
	p.sendFragments(strings.Repeat(" ", 5000) + `{"type":"ping"}`)
	if reason := p.expectClose(4400); !strings.Contains(reason, "fragments") {
		t.Errorf("closed with %q", reason)
	}
}

// sendFragments sends a text in frames of a byte each, masked by zeros.
func (p *peer) sendFragments(text string) {
	p.t.Helper()
	var wire []byte
	for i, c := range []byte(text) {
		head := byte(0)
		if i == 0 {
			head |= 0x1 // text
		}
		if i == len(text)-1 {
			head |= 0x80 // the last
		}
		wire = append(wire, head, 0x80|1, 0, 0, 0, 0, c)
	}
	if _, err := p.conn.NetConn().Write(wire); err != nil {
		p.t.Fatal(err)
	}
}
