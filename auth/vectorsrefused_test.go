package auth_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"syncline/auth"
	"syncline/auth/signing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// refusal is a case before it is made: what is sent, given an ordinary draft.
type refusal struct {
	name string
	kind string
	send func(draft) vectorRequest
}

func refusedVectors(t *testing.T) []refusedVector {
	t.Helper()
	var made []refusedVector
	add := func(code auth.Code, status int, server vectorServer, cases ...refusal) {
		for _, c := range cases {
			d := newDraft(t, c.kind, c.name)
			v := refusedVector{Name: c.name, Kind: c.kind, Server: server, Request: c.send(d), Code: string(code), HTTPStatus: status}
			if c.kind == kindWebSocket {
				v.HTTPStatus, v.CloseCode = 0, 4403
			}
			made = append(made, v)
		}
	}
	const unauthorized = http.StatusUnauthorized
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongHeaders(t)...)
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongInputs()...)
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongSignatures(t)...)
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongDigests(t)...)
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongKinds(t)...)
	add(auth.CodeUnauthenticated, unauthorized, publicServer, wrongTexts()...)
	add(auth.CodeBadUserInput, http.StatusUnsupportedMediaType, publicServer,
		refusal{"an encoded body", kindPost, func(d draft) vectorRequest { return d.request().plus("Content-Encoding", "gzip") }})
	add(auth.CodeBadUserInput, http.StatusBadRequest, publicServer,
		refusal{"a GET with a body", kindGet, func(d draft) vectorRequest { d.body = body; return d.request() }})
	made = append(made, wrongTimes(t)...)
	made = append(made, wrongAuthorities(t)...)
	made = append(made, replays(t)...)
	return append(made, wrongCertificates(t)...)
}

func wrongHeaders(t *testing.T) []refusal {
	return []refusal{
		{"no Signature", kindPost, func(d draft) vectorRequest { return d.request().without("Signature") }},
		{"no Signature-Input", kindPost, func(d draft) vectorRequest { return d.request().without("Signature-Input") }},
		{"an empty Signature", kindPost, func(d draft) vectorRequest {
			return d.request().changed(t, "Signature", func(string) string { return "" })
		}},
		{"Signature in two headers", kindPost, func(d draft) vectorRequest {
			return d.request().plus("Signature", "sig2=:AAAA:")
		}},
		{"Signature-Input in two headers", kindPost, func(d draft) vectorRequest {
			return d.request().plus("Signature-Input", `sig2=("@method");created=1`)
		}},
		{"two signatures in one header", kindPost, func(d draft) vectorRequest {
			second := d.by("owner 2").request()
			r := d.request()
			for i, name := range []string{"Signature-Input", "Signature"} {
				other := second.Headers[len(second.Headers)-2+i][1]
				r = r.changed(t, name, func(s string) string { return s + ", " + strings.Replace(other, "sig=", "sig2=", 1) })
			}
			return r
		}},
		{"another label", kindPost, func(d draft) vectorRequest {
			return d.request().changed(t, "Signature-Input", replace("sig=", "sig1=")).changed(t, "Signature", replace("sig=", "sig1="))
		}},
		{"connection_init without signature", kindWebSocket, func(d draft) vectorRequest {
			r := d.request()
			delete(r.Payload, "signature")
			return r
		}},
		{"connection_init without signature-input", kindWebSocket, func(d draft) vectorRequest {
			r := d.request()
			delete(r.Payload, "signature-input")
			return r
		}},
		{"connection_init with nothing", kindWebSocket, func(d draft) vectorRequest {
			r := d.request()
			r.Payload = nil
			return r
		}},
	}
}

// wrongInputs are signed truly over the base text that their input asks for.
func wrongInputs() []refusal {
	forged := func(name, kind, from, to string) refusal {
		return refusal{name, kind, func(d draft) vectorRequest { return d.forged(from, to) }}
	}
	param := func(name, from, to string) refusal {
		return refusal{name, kindPost, func(d draft) vectorRequest {
			fill := strings.NewReplacer("NONCE", d.nonce.String(), "KEYID", d.key.Public().String())
			return d.forged(fill.Replace(from), fill.Replace(to))
		}}
	}
	return []refusal{
		forged("the digest is not covered", kindPost, ` "content-digest"`, ""),
		forged("the method is not covered", kindPost, `"@method" `, ""),
		forged("the authority is not covered", kindPost, `"@authority" `, ""),
		forged("the path is not covered", kindPost, `"@path" `, ""),
		forged("nothing is covered", kindPost, `"@method" "@authority" "@path" "content-digest"`, ""),
		forged("a component more", kindPost, `"content-digest"`, `"content-digest" "host"`),
		forged("components in another order", kindPost, `"@method" "@authority"`, `"@authority" "@method"`),
		forged("a component twice", kindPost, `"@path"`, `"@path" "@path"`),
		forged("a query covered that is not there", kindPost, `"@path"`, `"@path" "@query"`),
		forged("a GET whose query is not covered", kindGet, ` "@query"`, ""),
		forged("a WebSocket whose path is not covered", kindWebSocket, ` "@path"`, ""),
		{"a POST whose query is not covered", kindPost, func(d draft) vectorRequest { return d.target("/graphql", "?a=b").forged(` "@query"`, "") }},
		{"an empty query that is not covered", kindGet, func(d draft) vectorRequest { return d.target("/graphql", "?").forged(` "@query"`, "") }},
		{"a WebSocket whose query is not covered", kindWebSocket, func(d draft) vectorRequest { return d.target("/graphql", "?a=b").forged(` "@query"`, "") }},
		{"a GET that covers a digest", kindGet, func(d draft) vectorRequest {
			d.signed.ContentDigest = signing.ContentDigest(nil)
			return d.forged(`"@query"`, `"@query" "content-digest"`).plus("Content-Digest", d.signed.ContentDigest)
		}},
		param("no created", ";created=1732233600", ""),
		param("no nonce", `;nonce="NONCE"`, ""),
		param("no keyid", `;keyid="KEYID"`, ""),
		param("no tag", `;tag="syncline"`, ""),
		param("another tag", `"syncline"`, `"someapp"`),
		param("a parameter more at the end", `"syncline"`, `"syncline";alg="ecdsa-p256-sha256"`),
		param("a parameter more between", ";nonce", ";expires=1732233900;nonce"),
		param("a parameter twice", ";created=1732233600", ";created=1732233600;created=1732233600"),
		param("parameters in another order", `;nonce="NONCE";keyid="KEYID"`, `;keyid="KEYID";nonce="NONCE"`),
		param("created with a fraction", "1732233600", "1732233600.0"),
		param("created in quotes", "1732233600", `"1732233600"`),
		param("created with a leading zero", "1732233600", "01732233600"),
		param("created below zero", "1732233600", "-1"),
		param("created in 16 digits", "1732233600", "1732233600000000"),
		param("a nonce of 30 characters", "NONCE", strings.Repeat("0", 30)),
		param("a nonce of 34 characters", "NONCE", strings.Repeat("0", 34)),
		param("a nonce in upper case", "NONCE", strings.Repeat("A", 32)),
		param("an empty nonce", "NONCE", ""),
		{"keyid in upper case", kindPost, func(d draft) vectorRequest {
			return d.forged(d.key.Public().String(), strings.ToUpper(d.key.Public().String()))
		}},
		{"keyid of another owner", kindPost, func(d draft) vectorRequest {
			return d.forged(d.key.Public().String(), testKey(d.t, "owner 2").Public().String())
		}},
		{"keyid without its first byte", kindPost, func(d draft) vectorRequest {
			return d.forged(d.key.Public().String(), d.key.Public().String()[2:])
		}},
		param("a space after a semicolon", ";created", "; created"),
		param("two spaces between components", `"@method" "@authority"`, `"@method"  "@authority"`),
	}
}

func wrongSignatures(t *testing.T) []refusal {
	resigned := func(name, kind string, change func([]byte) []byte) refusal {
		return refusal{name, kind, func(d draft) vectorRequest { return d.request().resigned(t, change) }}
	}
	header := func(b byte) func([]byte) []byte {
		return func(sig []byte) []byte { sig[0] = b; return sig }
	}
	rewritten := func(name string, change func(string) string) refusal {
		return refusal{name, kindPost, func(d draft) vectorRequest { return d.request().changed(t, "Signature", change) }}
	}
	return []refusal{
		resigned("high s", kindPost, negateS),
		resigned("high s on a WebSocket", kindWebSocket, negateS),
		resigned("the header byte of an uncompressed key", kindPost, func(sig []byte) []byte { sig[0] -= 4; return sig }),
		resigned("header byte 30", kindPost, header(30)),
		resigned("header byte 35", kindPost, header(35)),
		resigned("header byte 0", kindPost, header(0)),
		resigned("the other recovery id", kindPost, func(sig []byte) []byte { sig[0] = 31 + ((sig[0] - 31) ^ 1); return sig }),
		resigned("a changed r", kindPost, func(sig []byte) []byte { sig[20] ^= 1; return sig }),
		resigned("a changed s", kindPost, func(sig []byte) []byte { sig[60] ^= 1; return sig }),
		resigned("r of zero", kindPost, func(sig []byte) []byte { clear(sig[1:33]); return sig }),
		resigned("s of zero", kindPost, func(sig []byte) []byte { clear(sig[33:]); return sig }),
		resigned("a signature of 64 bytes", kindPost, func(sig []byte) []byte { return sig[1:] }),
		resigned("a signature of 66 bytes", kindPost, func(sig []byte) []byte { return append(sig, 0) }),
		resigned("the recovery id at the end", kindPost, func(sig []byte) []byte { return append(sig[1:], sig[0]-31) }),
		rewritten("a signature without padding", replace("=:", ":")),
		rewritten("a signature whose padding bits are not zero", func(s string) string {
			i := strings.LastIndex(s, "=:") - 1
			return s[:i] + string(s[i]+1) + s[i+1:]
		}),
		rewritten("a signature in hexadecimal", func(s string) string {
			return strings.Replace(s, s[len("sig=:"):len(s)-1], strings.Repeat("1f", 65), 1)
		}),
		rewritten("a signature in quotes", func(s string) string { return strings.Replace(strings.Replace(s, "=:", `="`, 1), "=:", `="`, 1) }),
	}
}

func negateS(sig []byte) []byte {
	var s secp256k1.ModNScalar
	s.SetByteSlice(sig[33:])
	s.Negate()
	b := s.Bytes()
	return append(append([]byte{31 + ((sig[0] - 31) ^ 1)}, sig[1:33]...), b[:]...)
}

func wrongDigests(t *testing.T) []refusal {
	digestOf := func(name string, change func(string) string) refusal {
		// Signed as it is sent, so that only the digest itself is wrong.
		return refusal{name, kindPost, func(d draft) vectorRequest {
			d.signed.ContentDigest = change(d.signed.ContentDigest)
			return d.request()
		}}
	}
	return []refusal{
		{"a changed body", kindPost, func(d draft) vectorRequest {
			r := d.request()
			r.Body = slices.Clone(r.Body)
			r.Body[len(r.Body)/2] ^= 1
			return r
		}},
		{"a body cut off", kindPost, func(d draft) vectorRequest { r := d.request(); r.Body = r.Body[:len(r.Body)-1]; return r }},
		{"a body and a digest changed together", kindPost, func(d draft) vectorRequest {
			r := d.request()
			r.Body = []byte(`{"query":"{ limits { maxPage } }"}`)
			return r.changed(t, "Content-Digest", func(string) string { return signing.ContentDigest(r.Body) })
		}},
		{"a digest changed after signing", kindPost, func(d draft) vectorRequest {
			return d.request().changed(t, "Content-Digest", func(string) string { return signing.ContentDigest([]byte("{}")) })
		}},
		{"no Content-Digest", kindPost, func(d draft) vectorRequest { return d.request().without("Content-Digest") }},
		{"Content-Digest in two headers", kindPost, func(d draft) vectorRequest {
			return d.request().plus("Content-Digest", d.signed.ContentDigest)
		}},
		digestOf("the digest of another body", func(string) string { return signing.ContentDigest([]byte("{}")) }),
		digestOf("two digests", func(s string) string { return s + ", " + strings.Replace(s, "sha-256", "sha-512", 1) }),
		digestOf("another algorithm's name", replace("sha-256", "sha-512")),
		digestOf("a digest's algorithm in upper case", replace("sha-256", "SHA-256")),
		digestOf("a digest in hexadecimal", func(s string) string {
			raw, _ := base64.StdEncoding.DecodeString(s[len("sha-256=:") : len(s)-1])
			return "sha-256=:" + strings.Repeat("0", 2*len(raw)) + ":"
		}),
		digestOf("a digest without padding", replace("=:", ":")),
		digestOf("a digest with a parameter", func(s string) string { return s + ";a" }),
		digestOf("a digest as old Digest has it", replace("=:", "=")),
	}
}

func wrongKinds(t *testing.T) []refusal {
	return []refusal{
		{"a WebSocket's signature on a GET", kindGet, func(d draft) vectorRequest {
			return d.forged(`"syncline"`, `"syncline-ws"`)
		}},
		{"a GET's signature on a WebSocket", kindWebSocket, func(d draft) vectorRequest {
			return d.forged(`"syncline-ws"`, `"syncline"`)
		}},
		{"a WebSocket's signature on a POST", kindPost, func(d draft) vectorRequest {
			return d.forged(`"syncline"`, `"syncline-ws"`)
		}},
		{"a GET's signature on a POST", kindPost, func(d draft) vectorRequest {
			d.signed.Method = "GET"
			r := d.request()
			r.Method, r.Body = "POST", body
			return r.plus("Content-Digest", signing.ContentDigest(body))
		}},
		{"a POST's signature on a GET", kindGet, func(d draft) vectorRequest {
			post := newDraft(t, kindPost, "a POST's signature on a GET").target(d.signed.Path, d.signed.Query).withBody(nil).request()
			post.Method = "GET"
			return post
		}},
	}
}

// wrongTexts have input and signature of the right form over something else
// than what is sent.
func wrongTexts() []refusal {
	other := func(name, kind string, change func(*draft)) refusal {
		return refusal{name, kind, func(d draft) vectorRequest {
			r := d.request()
			change(&d)
			changed := d.request()
			changed.Headers = append(changed.Headers[:len(changed.Headers)-2], r.Headers[len(r.Headers)-2:]...)
			if d.kind == kindWebSocket {
				changed.Headers, changed.Payload = d.request().Headers, r.Payload
			}
			return changed
		}}
	}
	input := func(name, from, to string) refusal {
		return refusal{name, kindPost, func(d draft) vectorRequest {
			fill := strings.NewReplacer("NONCE", d.nonce.String(), "KEYID", d.key.Public().String())
			return d.request().changed(d.t, "Signature-Input", replace(fill.Replace(from), fill.Replace(to)))
		}}
	}
	text := func(name string, change func(string) string) refusal {
		return refusal{name, kindPost, func(d draft) vectorRequest {
			return d.with(d.signText(d.signed.SignatureParams(d.params()), change(d.signed.BaseText(d.params()))))
		}}
	}
	return []refusal{
		other("another method", kindPost, func(d *draft) { d.signed.Method = "PUT" }),
		other("another path", kindPost, func(d *draft) { d.signed.Path = "/graphqk" }),
		other("a path with a slash more", kindPost, func(d *draft) { d.signed.Path = "/graphql/" }),
		other("a path escaped otherwise", kindPost, func(d *draft) { d.signed.Path = "/graph%71l" }),
		other("another query", kindGet, func(d *draft) { d.signed.Query = "?query=%7B%20viewer%20%7B%20iD%20%7D%20%7D" }),
		other("a query escaped otherwise", kindGet, func(d *draft) { d.signed.Query = "?query=%7b%20viewer%20%7B%20id%20%7D%20%7D" }),
		other("another path on a WebSocket", kindWebSocket, func(d *draft) { d.signed.Path = "/other" }),
		input("another created", "1732233600", "1732233601"),
		input("another nonce", "NONCE", strings.Repeat("0", 32)),
		input("another keyid", "KEYID", "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
		text("a base text with a line break at its end", func(s string) string { return s + "\n" }),
		text("a base text with CR LF", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }),
		text("a base text with the method in lower case", replace("POST", "post")),
		text("a base text with the scheme in its authority", replace(authority, "https://"+authority)),
		text("a base text with the default port", replace(authority, authority+":443")),
		text("a base text with the host in upper case", replace(authority, strings.ToUpper(authority))),
		text("a base text without quotes", func(s string) string { return strings.ReplaceAll(s, `"@method": `, "@method: ") }),
	}
}
