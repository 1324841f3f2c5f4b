package auth

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"syncline/auth/signing"
)

// Authorities are the names under which clients reach the server. A signature
// covers one of them, which keeps a request signed for one server from serving
// at another. The zero value lets loopback names serve, with any port.
type Authorities struct {
	names []string // in the form of signing.Authority
}

// ParseAuthorities reads PUBLIC_AUTHORITIES: hosts with optional ports,
// comma-separated. An empty list is the zero value.
func ParseAuthorities(list string) (Authorities, error) {
	var a Authorities
	if strings.TrimSpace(list) == "" {
		return a, nil
	}
	for _, entry := range strings.Split(list, ",") {
		name := strings.TrimSpace(entry)
		if !isAuthority(name) {
			return Authorities{}, fmt.Errorf("%q is not a host with an optional port, as in api.example.com or api.example.com:8443", name)
		}
		a.names = append(a.names, signing.Authority(name))
	}
	return a, nil
}

func isAuthority(s string) bool {
	u, err := url.Parse("//" + s)
	if err != nil || u.Host != s || u.Hostname() == "" || strings.HasSuffix(s, ":") {
		return false
	}
	bracketed := strings.HasPrefix(s, "[")
	return (bracketed || strings.Count(s, ":") < 2) && !strings.ContainsAny(s, " \t%*\\") && isASCII(s)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// of is the authority that a request with this Host header must have signed.
// With one name it is that one, whatever a proxy makes of Host.
func (a Authorities) of(host string) (string, error) {
	host = signing.Authority(host)
	switch {
	case len(a.names) == 1:
		return a.names[0], nil
	case len(a.names) > 1 && !slices.Contains(a.names, host):
		return "", unauthenticated(fmt.Sprintf("this server does not serve under the name %q; its PUBLIC_AUTHORITIES does not list it", host))
	case len(a.names) == 0 && !isLoopback(host):
		return "", unauthenticated(fmt.Sprintf("this server serves under loopback names only, not %q, until its PUBLIC_AUTHORITIES is set", host))
	}
	return host, nil
}

func isLoopback(authority string) bool {
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		host = authority
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host == "localhost" || host == "127.0.0.1" || host == "[::1]"
}
