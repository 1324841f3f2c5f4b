package clientaddr_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"syncline/internal/clientaddr"
)

func proxies(t testing.TB, list string) clientaddr.Proxies {
	t.Helper()
	var p clientaddr.Proxies
	if err := p.UnmarshalText([]byte(list)); err != nil {
		t.Fatal(err)
	}
	return p
}

func request(peer string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// The proxies that are trusted in these tests: 10.0.0.0/8 and fd00::/8.
func TestOf(t *testing.T) {
	t.Parallel()
	p := proxies(t, "10.0.0.0/8, fd00::/8")
	for _, test := range []struct {
		name    string
		peer    string
		headers []string
		want    string
	}{
		{"no proxy", "192.0.2.1:4711", nil, "192.0.2.1"},
		{"a stranger's word", "192.0.2.1:4711", []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.1"}, "192.0.2.1"},
		{"IPv4 on an IPv6 socket", "[::ffff:192.0.2.1]:4711", nil, "192.0.2.1"},
		{"a zone", "[fe80::1%eth0]:4711", nil, "fe80::1"},
		{"a Unix socket", "@", []string{"X-Forwarded-For: 198.51.100.1"}, "invalid IP"},

		{"a trusted proxy that says nothing", "10.0.0.1:80", nil, "10.0.0.1"},
		{"a trusted proxy", "10.0.0.1:80", []string{"X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"of IPv6", "[fd00::1]:80", []string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		{"what the client wrote before", "10.0.0.1:80", []string{"X-Forwarded-For: 10.9.9.9, 203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"in a line of its own", "10.0.0.1:80", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"two trusted proxies", "10.0.0.1:80", []string{"X-Forwarded-For: 203.0.113.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"nothing but trusted ones", "10.0.0.1:80", []string{"X-Forwarded-For: 10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"a port", "10.0.0.1:80", []string{"X-Forwarded-For: 198.51.100.1:4711"}, "198.51.100.1"},
		{"a port of IPv6", "10.0.0.1:80", []string{"X-Forwarded-For: [2001:db8::1]:4711"}, "2001:db8::1"},
		{"unreadable", "10.0.0.1:80", []string{"X-Forwarded-For: 203.0.113.9, x"}, "10.0.0.1"},
		{"empty", "10.0.0.1:80", []string{"X-Forwarded-For: 203.0.113.9, "}, "10.0.0.1"},
		{"unreadable behind the second proxy", "10.0.0.1:80", []string{"X-Forwarded-For: unknown, 10.0.0.2"}, "10.0.0.2"},

		{"Forwarded", "10.0.0.1:80", []string{"Forwarded: for=198.51.100.1;proto=https;by=10.0.0.1"}, "198.51.100.1"},
		{"Forwarded, in any order and case", "10.0.0.1:80", []string{"Forwarded: proto=https ; FOR=198.51.100.1"}, "198.51.100.1"},
		{"Forwarded of IPv6", "10.0.0.1:80", []string{`Forwarded: for="[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"Forwarded by two", "10.0.0.1:80", []string{"Forwarded: for=203.0.113.9, for=198.51.100.1, for=10.0.0.2"}, "198.51.100.1"},
		{"Forwarded with a quote left open", "10.0.0.1:80", []string{`Forwarded: for="203.0.113.9, for=198.51.100.1`}, "198.51.100.1"},
		{"Forwarded with separators in quotes", "10.0.0.1:80", []string{`Forwarded: for=198.51.100.1;secret="a, for=203.0.113.9;x"`}, "198.51.100.1"},
		{"Forwarded that hides it", "10.0.0.1:80", []string{"Forwarded: for=203.0.113.9, for=_hidden"}, "10.0.0.1"},
		{"Forwarded without for", "10.0.0.1:80", []string{"Forwarded: for=203.0.113.9, proto=https"}, "10.0.0.1"},
		{"Forwarded with two", "10.0.0.1:80", []string{"Forwarded: for=203.0.113.9;for=198.51.100.1"}, "10.0.0.1"},

		{"both, alike", "10.0.0.1:80", []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.1"}, "198.51.100.1"},
		{"both, of which one is the client's", "10.0.0.1:80", []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=203.0.113.9"}, "10.0.0.1"},
	} {
		if got := p.Of(request(test.peer, test.headers...)); got.String() != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	var got netip.Addr
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = clientaddr.FromContext(r.Context()) })
	proxies(t, "10.0.0.1").Middleware(next).ServeHTTP(httptest.NewRecorder(), request("10.0.0.1:80", "X-Forwarded-For: 198.51.100.1"))
	if got.String() != "198.51.100.1" {
		t.Errorf("the context has %s", got)
	}
	if got := clientaddr.FromContext(t.Context()); got.IsValid() {
		t.Errorf("a context without a request has %s", got)
	}
}

// Whoever has a /64 of IPv6 is one client, whichever address it uses.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1/32",
		"2001:db8:1:2:3::1":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
	} {
		if got := clientaddr.Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := clientaddr.Network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: %s", got)
	}
}

func TestBadProxies(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"10.0.0.0/33":            `"10.0.0.0/33" is not a network`,
		"10.0.0.1,proxy.example": `"proxy.example" is not a network`,
		"fe80::1%eth0":           `"fe80::1%eth0" is not a network`,
		"0.0.0.0/0":              `"0.0.0.0/0" is everybody`,
		"10.0.0.0/8,::/0":        `"::/0" is everybody`,
		"::ffff:10.0.0.0/104":    `write it as one`,
		"::ffff:10.0.0.1":        `write it as one`,
	} {
		var p clientaddr.Proxies
		if err := p.UnmarshalText([]byte(list)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", list, err, want)
		}
	}
}

// However a client fills the headers, behind a proxy that adds its address to
// one of them it cannot pass for another.
func FuzzForged(f *testing.F) {
	names := map[bool]string{false: "X-Forwarded-For", true: "Forwarded"}
	f.Add(false, "203.0.113.9", false)
	f.Add(true, `for="203.0.113.9`, true)
	f.Add(true, `for=203.0.113.9;x="\`, true)
	f.Add(true, "for=203.0.113.9", false)
	f.Add(false, "203.0.113.9", true)
	p := proxies(f, "10.0.0.0/8")
	const client, proxy = "198.51.100.1", "10.0.0.1"
	f.Fuzz(func(t *testing.T, sendsStandard bool, sent string, addsStandard bool) {
		r := request(proxy+":80", names[sendsStandard]+": "+sent)
		added := client
		if addsStandard {
			added = "for=" + client
		}
		if before := r.Header.Get(names[addsStandard]); before != "" {
			added = before + ", " + added
		}
		r.Header.Set(names[addsStandard], added)
		if got := p.Of(r).String(); got != client && got != proxy {
			t.Errorf("%v: %s", r.Header, got)
		}
	})
}
