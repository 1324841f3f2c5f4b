// Package clientaddr tells from which network address a request came, also
// where proxies stand in between.
//
//	proxies := clientaddr.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
//	handler = proxies.Middleware(handler)
//	...
//	address := clientaddr.FromContext(r.Context())
//	limits.Of(clientaddr.Network(address))
//
// A proxy's word is taken only if the proxy is a trusted one: X-Forwarded-For and
// Forwarded (RFC 7239) are text that every client may send.
package clientaddr

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"syncline/internal/contextvalue"
)

// Proxies are the networks of the proxies that are trusted to tell whom they
// speak for. Without any, a request comes from the address that opened its connection.
type Proxies []netip.Prefix

// UnmarshalText reads a comma-separated list of networks (10.0.0.0/8, fd00::/8)
// and addresses, and unix for who connects to a Unix socket. A network that has everybody in it is refused: every client
// could then choose its address.
func (p *Proxies) UnmarshalText(text []byte) error {
	*p = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		network, err := parseNetwork(entry)
		if err != nil {
			return err
		}
		*p = append(*p, network)
	}
	return nil
}

// unix stands among Proxies for who connects to a Unix socket, and has no address.
var unix netip.Prefix

func parseNetwork(entry string) (netip.Prefix, error) {
	if entry == "unix" {
		return unix, nil
	}
	network, err := netip.ParsePrefix(entry)
	if address, addressErr := netip.ParseAddr(entry); addressErr == nil && address.Zone() == "" {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network such as 10.0.0.0/8, nor an address", entry)
	case network.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%q is everybody: any client could choose its address", entry)
	case network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 network: write it as one, such as 10.0.0.0/8", entry)
	}
	return network.Masked(), nil
}

// Trusts tells whether an address is that of a trusted proxy.
func (p Proxies) Trusts(address netip.Addr) bool { return p.trust(address) }

// TrustsUnix tells whether who connects to a Unix socket is a trusted proxy.
func (p Proxies) TrustsUnix() bool { return slices.Contains(p, unix) }

// trust has the zero address stand for one at a Unix socket.
func (p Proxies) trust(address netip.Addr) bool {
	if !address.IsValid() {
		return p.TrustsUnix()
	}
	for _, network := range p {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// Of is the address that a request comes from: the first one, seen from here,
// that belongs to no trusted proxy. Where a trusted proxy's header cannot be read,
// it is that proxy's own address. So it is where the request has both headers and
// they differ: proxies add to one of them, and pass on the other as the client
// sent it. The zero Addr means that not even the connection's address is known:
// it came by a Unix socket that is not trusted to tell.
func (p Proxies) Of(r *http.Request) netip.Addr {
	peer := peerOf(r)
	if !p.trust(peer) {
		return peer
	}
	forwardedFor := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	forwarded := strings.Join(r.Header.Values("Forwarded"), ",")
	client := p.walk(peer, forwardedFor, parseNode)
	if forwarded == "" {
		return client
	}
	standard := p.walk(peer, forwarded, parseForwarded)
	if forwardedFor != "" && client != standard {
		return peer
	}
	return standard
}

// walk follows a list of hops from its end, where the nearest is, as long as
// those who wrote it are trusted.
func (p Proxies) walk(peer netip.Addr, hops string, parse func(string) (netip.Addr, bool)) netip.Addr {
	for hops != "" && p.trust(peer) {
		var last string
		hops, last = cutLast(hops, ',')
		address, ok := parse(strings.TrimSpace(last))
		if !ok {
			return peer
		}
		peer = address
	}
	return peer
}

// cutLast cuts a list before its last element. Separators in quotes do not count. It
// reads from the end, where proxies write: what a client wrote before, such as
// a quote that is never closed, does not change what they said.
func cutLast(list string, separator byte) (rest, last string) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == separator && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return "", list
}

// parseForwarded reads the "for" of an element of a Forwarded header. What hides
// the address ("unknown", "_name") is not one.
func parseForwarded(element string) (address netip.Addr, ok bool) {
	for element != "" {
		var pair string
		element, pair = cutLast(element, ';')
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if !strings.EqualFold(name, "for") {
			continue
		}
		if ok { // given twice
			return netip.Addr{}, false
		}
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if address, ok = parseNode(value); !ok {
			return netip.Addr{}, false
		}
	}
	return address, ok
}

// peerOf is who opened the request's connection.
func peerOf(r *http.Request) netip.Addr {
	if withPort, err := netip.ParseAddrPort(r.RemoteAddr); err == nil { // as net/http has it
		return withPort.Addr().Unmap().WithZone("")
	}
	peer, _ := parseNode(r.RemoteAddr)
	return peer
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
func parseNode(node string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(node, "["), "]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(node)
		if err != nil {
			return netip.Addr{}, false
		}
		address = withPort.Addr()
	}
	return address.Unmap().WithZone(""), true
}

// Network is the network that an address stands for where clients are told
// apart: a client of IPv6 has a /64 to itself and may come from any address in it;
// of IPv4 it is the address alone.
func Network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // the zero Prefix of the zero Addr
	return network
}

// client is where a request comes from.
type client struct {
	address netip.Addr
	network string // empty if it is not known
}

// Middleware puts the address that each request comes from into its context.
func (p Proxies) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p.Of(r))))
	})
}

// NewContext puts a client's address into a context.
func NewContext(ctx context.Context, address netip.Addr) context.Context {
	ctx, c := contextvalue.New[client](ctx)
	c.address = address
	if network := Network(address); network.IsValid() {
		c.network = network.String()
	}
	return ctx
}

// FromContext is the address that a context's request came from; the zero Addr
// where it is not known.
func FromContext(ctx context.Context) netip.Addr {
	if c := contextvalue.Of[client](ctx); c != nil {
		return c.address
	}
	return netip.Addr{}
}

// NetworkFromContext is the text of the Network that a context's request came from;
// empty where it is not known.
func NetworkFromContext(ctx context.Context) string {
	if c := contextvalue.Of[client](ctx); c != nil {
		return c.network
	}
	return ""
}
