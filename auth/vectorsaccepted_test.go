package auth_test

import (
	"strings"
	"testing"
	"time"
)

const about = "Signed requests of Syncline, accepted and refused. See README.md beside this file. All keys are for tests only."

// publicServer is reached under one name.
var publicServer = vectorServer{Now: created + 2, PublicAuthorities: authority}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	return vectors{About: about, Accepted: acceptedVectors(t), Refused: refusedVectors(t)}
}

func acceptedVectors(t *testing.T) []acceptedVector {
	t.Helper()
	named := func(names string) vectorServer {
		return vectorServer{Now: created + 2, PublicAuthorities: names}
	}
	at := func(now int64) vectorServer {
		return vectorServer{Now: now, PublicAuthorities: authority}
	}
	same := func(d draft) draft { return d }
	cases := []struct {
		name   string
		kind   string
		server vectorServer
		make   func(draft) draft
	}{
		{"a POST", kindPost, publicServer, same},
		{"a POST of another owner", kindPost, publicServer, func(d draft) draft { return d.by("owner 2") }},
		{"a POST of a third owner", kindPost, publicServer, func(d draft) draft { return d.by("owner 3") }},
		{"a POST of a fourth owner", kindPost, publicServer, func(d draft) draft { return d.by("owner 4") }},
		{"a POST without body", kindPost, publicServer, func(d draft) draft { return d.withBody(nil) }},
		{"a POST whose body is not ASCII", kindPost, publicServer, func(d draft) draft { return d.withBody([]byte(`{"query":"{ record(id: \"naïve ☕\") { id } }"}`)) }},
		{"a POST whose body is not text", kindPost, publicServer, func(d draft) draft { return d.withBody([]byte{0, 0xff, '\r', '\n', 0x80}) }},
		{"a POST whose body has a line break at its end", kindPost, publicServer, func(d draft) draft { return d.withBody(append(body[:len(body):len(body)], '\n')) }},
		{"a POST with a query", kindPost, publicServer, func(d draft) draft { return d.target("/graphql", "?trace=1") }},
		{"a POST with an empty query", kindPost, publicServer, func(d draft) draft { return d.target("/graphql", "?") }},
		{"a POST to the root", kindPost, publicServer, func(d draft) draft { return d.target("/", "") }},
		{"a POST whose path is escaped", kindPost, publicServer, func(d draft) draft { return d.target("/a%2Fb/%7Ec/%C3%A9", "") }},
		{"a POST whose host is in upper case", kindPost, publicServer, func(d draft) draft { return d.at("API.Example.COM") }},
		{"a POST to port 443", kindPost, publicServer, func(d draft) draft { return d.at("api.example.com:443") }},
		{"a POST to port 80", kindPost, publicServer, func(d draft) draft { return d.at("api.example.com:80") }},
		{"a POST to a port of its own", kindPost, named("api.example.com:8443"), func(d draft) draft { return d.at("api.example.com:8443") }},
		{"a POST to an IPv6 address", kindPost, named("[2001:db8::1]:8080"), func(d draft) draft { return d.at("[2001:DB8::1]:8080") }},
		{"a POST behind a proxy that changes Host", kindPost, publicServer, func(d draft) draft { d.host = "backend:8080"; return d }},
		{"a POST to the second of two names", kindPost, named("api.example.com, sync.example.org"), func(d draft) draft { return d.at("sync.example.org") }},
		{"a POST to localhost", kindPost, named(""), func(d draft) draft { return d.at("localhost:8080") }},
		{"a POST to 127.0.0.1", kindPost, named(""), func(d draft) draft { return d.at("127.0.0.1:9000") }},
		{"a POST to [::1]", kindPost, named(""), func(d draft) draft { return d.at("[::1]:8080") }},
		{"a POST created 300 seconds ago", kindPost, at(created + 300), same},
		{"a POST created 60 seconds ahead", kindPost, at(created - 60), same},
		{"a POST created in the second of the start", kindPost, vectorServer{Now: created + 2, StartedAt: created, PublicAuthorities: authority}, same},
		{"a GET", kindGet, publicServer, same},
		{"a GET without query", kindGet, publicServer, func(d draft) draft { return d.target("/graphql", "") }},
		{"a GET with an empty query", kindGet, publicServer, func(d draft) draft { return d.target("/graphql", "?") }},
		{"a GET whose query has question marks and escapes", kindGet, publicServer, func(d draft) draft { return d.target("/graphql", "?query=%7B__typename%7D&a=b?c&d=+e%20f%2f") }},
		{"a GET of another owner", kindGet, publicServer, func(d draft) draft { return d.by("owner 2") }},
		{"a WebSocket", kindWebSocket, publicServer, same},
		{"a WebSocket with a query", kindWebSocket, publicServer, func(d draft) draft { return d.target("/graphql", "?v=1") }},
		{"a WebSocket to localhost", kindWebSocket, named(""), func(d draft) draft { return d.at("localhost:8080") }},
		{"a WebSocket of another owner", kindWebSocket, publicServer, func(d draft) draft { return d.by("owner 2") }},
		{"a WebSocket behind a proxy that changes Host", kindWebSocket, publicServer, func(d draft) draft { d.host = "backend:8080"; return d }},
	}
	var made []acceptedVector
	for _, c := range cases {
		d := c.make(newDraft(t, c.kind, c.name))
		made = append(made, accepted(c.name, c.server, d, d.request()))
	}
	return append(made, acceptedOtherwise(t)...)
}

// acceptedOtherwise are requests with something beside what is signed.
func acceptedOtherwise(t *testing.T) []acceptedVector {
	t.Helper()
	cases := []struct {
		name   string
		kind   string
		server vectorServer
		change func(vectorRequest) vectorRequest
	}{
		{"X-Forwarded-Host is not read", kindPost, publicServer, func(r vectorRequest) vectorRequest { return r.plus("X-Forwarded-Host", "evil.example") }},
		{"an identity encoding is no encoding", kindPost, publicServer, func(r vectorRequest) vectorRequest { return r.plus("Content-Encoding", "identity") }},
		{"Authorization is not read without a CA", kindPost, publicServer, func(r vectorRequest) vectorRequest { return r.plus("Authorization", "Bearer any") }},
		{"a target in absolute form", kindPost, publicServer, func(r vectorRequest) vectorRequest {
			r.Target = "http://" + authority + r.Target
			return r
		}},
		{"a POST with a certificate", kindPost, certifiedServer(t), func(r vectorRequest) vectorRequest { return r.plus("Authorization", certified(t, "client")) }},
		{"a WebSocket with a certificate", kindWebSocket, certifiedServer(t), func(r vectorRequest) vectorRequest {
			r.Payload["authorization"] = certified(t, "client")
			return r
		}},
	}
	var made []acceptedVector
	for _, c := range cases {
		d := newDraft(t, c.kind, c.name)
		made = append(made, accepted(c.name, c.server, d, c.change(d.request())))
	}
	return made
}

func accepted(name string, server vectorServer, d draft, r vectorRequest) acceptedVector {
	h, err := d.signed.Sign(d.key, time.Unix(d.created, 0), d.nonce)
	if err != nil {
		d.t.Fatal(err)
	}
	return acceptedVector{
		Name: name, Kind: d.kind, PrivateKey: d.key.Hex(),
		Method: d.signed.Method, Authority: d.signed.Authority, Path: d.signed.Path, Query: d.signed.Query,
		Body: append([]byte{}, d.body...), Created: d.created, Nonce: d.nonce.String(),
		BaseText: d.signed.BaseText(d.params()), ContentDigest: d.signed.ContentDigest,
		SignatureInput: h.SignatureInput, Signature: h.Signature, Owner: d.key.Public().String(),
		Server: server, Request: r,
	}
}

// certifiedServer asks for certificates.
func certifiedServer(t *testing.T) vectorServer {
	t.Helper()
	return vectorServer{Now: created + 2, PublicAuthorities: authority, CACert: strings.TrimPrefix(certified(t, "ca"), "Bearer ")}
}

// certified gives one of the fixed certificates, as Authorization has it.
func certified(t *testing.T, name string) string {
	t.Helper()
	ca := newAuthority(t, "vectors")
	at := time.Unix(created, 0)
	switch name {
	case "ca":
		return "Bearer " + encodeCertificate(ca.cert)
	case "client":
		return "Bearer " + encodeCertificate(ca.issue(t, certificateOf(1001, at)))
	case "expired":
		return "Bearer " + encodeCertificate(ca.issue(t, certificateOf(1002, at.Add(-48*time.Hour))))
	case "foreign":
		return "Bearer " + encodeCertificate(newAuthority(t, "elsewhere").issue(t, certificateOf(1001, at)))
	}
	t.Fatalf("no certificate %q", name)
	return ""
}
