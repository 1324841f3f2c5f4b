package auth_test

import (
	"net/http"
	"testing"

	"syncline/auth"
)

// The cases here are refused for what the server is or has seen.

func wrongTimes(t *testing.T) []refusedVector {
	t.Helper()
	at := func(now int64) vectorServer { return vectorServer{Now: now, PublicAuthorities: authority} }
	cases := []struct {
		name   string
		kind   string
		server vectorServer
	}{
		{"created 301 seconds ago", kindPost, at(created + 301)},
		{"created 61 seconds ahead", kindPost, at(created - 61)},
		{"created an hour ago", kindGet, at(created + 3600)},
		{"created an hour ahead", kindGet, at(created - 3600)},
		{"a WebSocket's created 301 seconds ago", kindWebSocket, at(created + 301)},
		{"a WebSocket's created 61 seconds ahead", kindWebSocket, at(created - 61)},
		{"created before the server started", kindPost, vectorServer{Now: created + 2, StartedAt: created + 1, PublicAuthorities: authority}},
	}
	var made []refusedVector
	for _, c := range cases {
		made = append(made, refused(c.name, c.server, newDraft(t, c.kind, c.name), auth.CodeSignatureExpired))
	}
	return made
}

func wrongAuthorities(t *testing.T) []refusedVector {
	t.Helper()
	cases := []struct {
		name        string
		kind        string
		authorities string
		host        string
	}{
		{"signed for another server", kindPost, authority, "sync.example.org"},
		{"signed for another port", kindPost, authority, "api.example.com:8443"},
		{"a GET signed for another server", kindGet, authority, "sync.example.org"},
		{"a WebSocket signed for another server", kindWebSocket, authority, "sync.example.org"},
		{"a name that is not one of two", kindPost, "api.example.com,sync.example.org", "evil.example"},
		{"a public name where only loopback serves", kindPost, "", authority},
		{"a private address where only loopback serves", kindPost, "", "192.168.1.10:8080"},
		{"a name that begins like localhost", kindPost, "", "localhost.example.com"},
		{"a WebSocket to a public name where only loopback serves", kindWebSocket, "", authority},
	}
	var made []refusedVector
	for _, c := range cases {
		server := vectorServer{Now: created + 2, PublicAuthorities: c.authorities}
		made = append(made, refused(c.name, server, newDraft(t, c.kind, c.name).at(c.host), auth.CodeUnauthenticated))
	}

	server := vectorServer{Now: created + 2, PublicAuthorities: "api.example.com,sync.example.org"}
	d := newDraft(t, kindPost, "signed for the other of two names").at("sync.example.org")
	d.host = authority
	return append(made, refused("signed for the other of two names", server, d, auth.CodeUnauthenticated))
}

func replays(t *testing.T) []refusedVector {
	t.Helper()
	cases := []struct {
		name   string
		kind   string
		change func(draft) draft
	}{
		{"the same POST again", kindPost, func(d draft) draft { return d }},
		{"the same GET again", kindGet, func(d draft) draft { return d }},
		{"the same connection_init again", kindWebSocket, func(d draft) draft { return d }},
		{"the same nonce over another body", kindPost, func(d draft) draft { return d.withBody([]byte("{}")) }},
		{"the same nonce with another created", kindPost, func(d draft) draft { return d.createdAt(created + 60) }},
	}
	var made []refusedVector
	for _, c := range cases {
		d := newDraft(t, c.kind, c.name)
		v := refused(c.name, publicServer, c.change(d), auth.CodeNonceReused)
		v.Before = []vectorRequest{d.request()}
		made = append(made, v)
	}
	return made
}

func wrongCertificates(t *testing.T) []refusedVector {
	t.Helper()
	cases := []struct {
		name, kind, authorization string
	}{
		{"no certificate", kindPost, ""},
		{"a certificate of another CA", kindPost, certified(t, "foreign")},
		{"an expired certificate", kindPost, certified(t, "expired")},
		{"the CA's own certificate", kindPost, certified(t, "ca")},
		{"a certificate that is none", kindPost, "Bearer AAAA"},
		{"a certificate with another scheme", kindPost, "Basic" + certified(t, "client")[len("Bearer"):]},
		{"no certificate on a WebSocket", kindWebSocket, ""},
		{"a certificate of another CA on a WebSocket", kindWebSocket, certified(t, "foreign")},
	}
	var made []refusedVector
	for _, c := range cases {
		v := refused(c.name, certifiedServer(t), newDraft(t, c.kind, c.name), auth.CodeForbidden)
		switch {
		case c.authorization == "":
		case c.kind == kindWebSocket:
			v.Request.Payload["authorization"] = c.authorization
		default:
			v.Request = v.Request.plus("Authorization", c.authorization)
		}
		made = append(made, v)
	}
	return made
}

func refused(name string, server vectorServer, d draft, code auth.Code) refusedVector {
	v := refusedVector{Name: name, Kind: d.kind, Server: server, Request: d.request(), Code: string(code)}
	switch {
	case d.kind == kindWebSocket:
		v.CloseCode = 4403
	case code == auth.CodeForbidden:
		v.HTTPStatus = http.StatusForbidden
	default:
		v.HTTPStatus = http.StatusUnauthorized
	}
	return v
}
