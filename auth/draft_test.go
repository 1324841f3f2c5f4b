package auth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
)

const (
	kindPost      = "http-post"
	kindGet       = "http-get"
	kindWebSocket = "websocket"

	created   = 1732233600
	authority = "api.example.com"
)

var body = []byte(`{"query":"{ viewer { id } }"}`)

// draft is a request before it is signed.
type draft struct {
	t       testing.TB
	kind    string
	key     signing.PrivateKey
	host    string // as sent
	signed  signing.Message
	body    []byte
	created int64
	nonce   signing.Nonce
}

// newDraft makes an ordinary request of a kind. Its nonce follows from both
// arguments.
func newDraft(t testing.TB, kind, name string) draft {
	t.Helper()
	nonce := sha256.Sum256([]byte(kind + ": " + name))
	d := draft{
		t: t, kind: kind, key: testKey(t, "owner 1"), host: authority,
		created: created, nonce: signing.Nonce(nonce[:16]),
		signed: signing.Message{Tag: signing.TagHTTP, Method: "GET", Authority: authority, Path: "/graphql"},
	}
	switch kind {
	case kindPost:
		d.signed.Method = "POST"
		d = d.withBody(body)
	case kindGet:
		d.signed.Query = "?query=%7B%20viewer%20%7B%20id%20%7D%20%7D"
	case kindWebSocket:
		d.signed.Tag = signing.TagWebSocket
	}
	return d
}

func testKey(t testing.TB, seed string) signing.PrivateKey {
	t.Helper()
	b := sha256.Sum256([]byte("syncline test key: " + seed))
	key, err := signing.NewPrivateKey(b[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (d draft) withBody(b []byte) draft {
	d.body = b
	d.signed.ContentDigest = signing.ContentDigest(b)
	return d
}

// at names the server that the client means, and the Host it sends.
func (d draft) at(host string) draft {
	d.host, d.signed.Authority = host, signing.Authority(host)
	return d
}

func (d draft) target(path, query string) draft {
	d.signed.Path, d.signed.Query = path, query
	return d
}

func (d draft) createdAt(unix int64) draft {
	d.created = unix
	return d
}

func (d draft) by(seed string) draft {
	d.key = testKey(d.t, seed)
	return d
}

func (d draft) params() signing.Params {
	return signing.Params{Created: d.created, Nonce: d.nonce, KeyID: d.key.Public()}
}

// request signs the draft as a client should.
func (d draft) request() vectorRequest {
	d.t.Helper()
	h, err := d.signed.Sign(d.key, time.Unix(d.created, 0), d.nonce)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.with(h)
}

// with puts signature values on the draft.
func (d draft) with(h signing.Headers) vectorRequest {
	r := vectorRequest{Method: d.signed.Method, Target: d.signed.Path + d.signed.Query, Body: d.body}
	r.Headers = append(r.Headers, [2]string{"Host", d.host})
	if d.kind == kindWebSocket {
		r.Headers = append(r.Headers, [2]string{"Upgrade", "websocket"}, [2]string{"Connection", "Upgrade"})
		r.Payload = map[string]string{"signature-input": h.SignatureInput, "signature": h.Signature}
		return r
	}
	if d.signed.CoversDigest() {
		r.Headers = append(r.Headers, [2]string{"Content-Type", "application/json"},
			[2]string{"Content-Digest", d.signed.ContentDigest})
	}
	r.Headers = append(r.Headers, [2]string{"Signature-Input", h.SignatureInput}, [2]string{"Signature", h.Signature})
	return r
}

// forged signs another form of the draft: its input with a part replaced. The
// signature is a true one over the base text that belongs to that input.
func (d draft) forged(from, to string) vectorRequest {
	d.t.Helper()
	params := d.signed.SignatureParams(d.params())
	if !strings.Contains(params, from) {
		d.t.Fatalf("%q is not in %q", from, params)
	}
	params = strings.Replace(params, from, to, 1)
	values := map[string]string{
		"@method": d.signed.Method, "@authority": d.signed.Authority, "@path": d.signed.Path,
		"@query": d.signed.Query, "content-digest": d.signed.ContentDigest, "host": d.host,
	}
	var text strings.Builder
	list, _, _ := strings.Cut(params, ")")
	for i, name := range strings.Split(list, `"`) {
		if i%2 == 1 {
			text.WriteString(`"` + name + `": ` + values[name] + "\n")
		}
	}
	return d.with(d.signText(params, text.String()+`"@signature-params": `+params))
}

// signText signs any text.
func (d draft) signText(params, text string) signing.Headers {
	return signing.Headers{
		SignatureInput: "sig=" + params,
		Signature:      "sig=:" + signing.Sign(d.key, text).String() + ":",
	}
}

// changed replaces in one header, or value of the payload, of a request that is
// signed already.
func (r vectorRequest) changed(t testing.TB, name string, change func(string) string) vectorRequest {
	t.Helper()
	r.Headers = slices.Clone(r.Headers)
	for i, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			r.Headers[i][1] = change(h[1])
			return r
		}
	}
	if _, ok := r.Payload[strings.ToLower(name)]; !ok {
		t.Fatalf("the request has no %s", name)
	}
	payload := make(map[string]string)
	for k, v := range r.Payload {
		payload[k] = v
	}
	payload[strings.ToLower(name)] = change(payload[strings.ToLower(name)])
	r.Payload = payload
	return r
}

func (r vectorRequest) plus(name, value string) vectorRequest {
	r.Headers = append(slices.Clone(r.Headers), [2]string{name, value})
	return r
}

func (r vectorRequest) without(name string) vectorRequest {
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool { return h[0] == name })
	return r
}

// resigned changes the bytes of the signature.
func (r vectorRequest) resigned(t testing.TB, change func(sig []byte) []byte) vectorRequest {
	t.Helper()
	return r.changed(t, "Signature", func(value string) string {
		sig, err := base64.StdEncoding.DecodeString(strings.Trim(strings.TrimPrefix(value, "sig="), ":"))
		if err != nil {
			t.Fatal(err)
		}
		return "sig=:" + base64.StdEncoding.EncodeToString(change(sig)) + ":"
	})
}

func replace(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}
