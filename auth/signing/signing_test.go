package signing_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	key1  = "0000000000000000000000000000000000000000000000000000000000000001"
	nonce = "000102030405060708090a0b0c0d0e0f"
	pub1  = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
)

var created = time.Unix(1732233600, 0)

func TestBaseText(t *testing.T) {
	t.Parallel()
	digest := signing.ContentDigest([]byte("{}"))
	params := signing.Params{Created: created.Unix(), Nonce: mustNonce(t), KeyID: mustKey(t).Public()}
	tests := map[string]struct {
		message signing.Message
		want    string
	}{
		"POST": {
			signing.Message{Tag: signing.TagHTTP, Method: "POST", Authority: "api.example.com", Path: "/graphql", ContentDigest: digest},
			`"@method": POST
"@authority": api.example.com
"@path": /graphql
"content-digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:
"@signature-params": ("@method" "@authority" "@path" "content-digest");created=1732233600;nonce="` + nonce + `";keyid="` + pub1 + `";tag="syncline"`,
		},
		"POST with a query": {
			signing.Message{Tag: signing.TagHTTP, Method: "POST", Authority: "api.example.com", Path: "/graphql", Query: "?", ContentDigest: digest},
			`"@method": POST
"@authority": api.example.com
"@path": /graphql
"@query": ?
"content-digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:
"@signature-params": ("@method" "@authority" "@path" "@query" "content-digest");created=1732233600;nonce="` + nonce + `";keyid="` + pub1 + `";tag="syncline"`,
		},
		"GET": {
			signing.Message{Tag: signing.TagHTTP, Method: "GET", Authority: "localhost:8080", Path: "/graphql", Query: "?query=%7Bviewer%7Bid%7D%7D"},
			`"@method": GET
"@authority": localhost:8080
"@path": /graphql
"@query": ?query=%7Bviewer%7Bid%7D%7D
"@signature-params": ("@method" "@authority" "@path" "@query");created=1732233600;nonce="` + nonce + `";keyid="` + pub1 + `";tag="syncline"`,
		},
		"WebSocket": {
			signing.Message{Tag: signing.TagWebSocket, Method: "GET", Authority: "[::1]:8080", Path: "/graphql"},
			`"@method": GET
"@authority": [::1]:8080
"@path": /graphql
"@signature-params": ("@method" "@authority" "@path");created=1732233600;nonce="` + nonce + `";keyid="` + pub1 + `";tag="syncline-ws"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.message.BaseText(params); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestSignedMessageVerifies(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	for name, m := range messages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := m.Sign(key, created, mustNonce(t))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := m.Parse(h.SignatureInput, h.Signature)
			if err != nil {
				t.Fatal(err)
			}
			if signed.Created != created.Unix() || signed.Nonce != mustNonce(t) || signed.KeyID != key.Public() {
				t.Errorf("parameters came back as %+v", signed.Params)
			}
			owner, err := m.Verify(signed)
			if err != nil || owner != key.Public() {
				t.Errorf("Verify = %v, %v; want %v", owner, err, key.Public())
			}
		})
	}
}

func TestVerifyRefusesWhatWasChanged(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	m := messages()["POST"]
	h, err := m.Sign(key, created, mustNonce(t))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := m.Parse(h.SignatureInput, h.Signature)
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*signing.Message, *signing.Signed){
		"method":        func(m *signing.Message, _ *signing.Signed) { m.Method = "PUT" },
		"authority":     func(m *signing.Message, _ *signing.Signed) { m.Authority = "api.example.org" },
		"path":          func(m *signing.Message, _ *signing.Signed) { m.Path = "/graphqL" },
		"query":         func(m *signing.Message, _ *signing.Signed) { m.Query = "?" },
		"digest":        func(m *signing.Message, _ *signing.Signed) { m.ContentDigest = signing.ContentDigest(nil) },
		"tag":           func(m *signing.Message, _ *signing.Signed) { m.Tag = signing.TagWebSocket },
		"created":       func(_ *signing.Message, s *signing.Signed) { s.Created++ },
		"nonce":         func(_ *signing.Message, s *signing.Signed) { s.Nonce[15] ^= 1 },
		"keyid":         func(_ *signing.Message, s *signing.Signed) { s.KeyID[0] ^= 1 },
		"keyid's point": func(_ *signing.Message, s *signing.Signed) { s.KeyID[32] ^= 1 },
		"recovery id":   func(_ *signing.Message, s *signing.Signed) { s.Signature[0] ^= 1 },
		"r":             func(_ *signing.Message, s *signing.Signed) { s.Signature[32] ^= 1 },
		"s":             func(_ *signing.Message, s *signing.Signed) { s.Signature[64] ^= 1 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, signed := m, signed
			change(&m, &signed)
			if _, err := m.Verify(signed); !errors.Is(err, signing.ErrMismatch) {
				t.Errorf("Verify = %v, want ErrMismatch", err)
			}
		})
	}
}

func TestRecoverRefusesOtherForms(t *testing.T) {
	t.Parallel()
	sig := signing.Sign(mustKey(t), "text")
	digest := sha256.Sum256([]byte("text"))
	high := highS(sig)
	if key, _, err := ecdsa.RecoverCompact(high[:], digest[:]); err != nil || signing.PublicKey(key.SerializeCompressed()) != mustKey(t).Public() {
		t.Fatal("but for its high s the signature must be a true one")
	}
	forms := map[string]signing.Signature{
		"high s":          high,
		"s of zero":       {31, 32: 1},
		"r of zero":       {31, 64: 1},
		"uncompressed":    withHeader(sig, sig[0]-4),
		"header byte 30":  withHeader(sig, 30),
		"header byte 35":  withHeader(sig, 35),
		"header byte 0":   withHeader(sig, 0),
		"header byte 255": withHeader(sig, 255),
		"r overflows":     withHeader(sig, 33),
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if key, err := signing.Recover("text", form); err == nil {
				t.Errorf("recovered %v", key)
			}
		})
	}
	if key, err := signing.Recover("text", sig); err != nil || key != mustKey(t).Public() {
		t.Errorf("the untouched signature: %v, %v", key, err)
	}
}

func TestParseTakesOneFormOnly(t *testing.T) {
	t.Parallel()
	m := messages()["POST"]
	h, err := m.Sign(mustKey(t), created, mustNonce(t))
	if err != nil {
		t.Fatal(err)
	}
	replaceInput := func(from, to string) signing.Headers {
		if !strings.Contains(h.SignatureInput, from) {
			t.Fatalf("%q is not in %q", from, h.SignatureInput)
		}
		return signing.Headers{SignatureInput: strings.Replace(h.SignatureInput, from, to, 1), Signature: h.Signature}
	}
	withSignature := func(s string) signing.Headers {
		return signing.Headers{SignatureInput: h.SignatureInput, Signature: s}
	}
	b64 := strings.TrimSuffix(strings.TrimPrefix(h.Signature, "sig=:"), ":")
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]signing.Headers{
		"empty input":               replaceInput(h.SignatureInput, ""),
		"other label":               replaceInput("sig=", "sig1="),
		"two members":               replaceInput("sig=", h.SignatureInput+", sig="),
		"component missing":         replaceInput(` "content-digest"`, ""),
		"component more":            replaceInput(`"content-digest"`, `"content-digest" "date"`),
		"query that is not there":   replaceInput(`"@path"`, `"@path" "@query"`),
		"components in other order": replaceInput(`"@method" "@authority"`, `"@authority" "@method"`),
		"component twice":           replaceInput(`"@path"`, `"@path" "@path"`),
		"component with parameter":  replaceInput(`"@path"`, `"@path";req`),
		"two spaces":                replaceInput(`"@method" `, `"@method"  `),
		"space in the list":         replaceInput(`("@method"`, `( "@method"`),
		"no created":                replaceInput(";created=1732233600", ""),
		"created in quotes":         replaceInput("1732233600", `"1732233600"`),
		"created with fraction":     replaceInput("1732233600", "1732233600.0"),
		"created with sign":         replaceInput("1732233600", "+1732233600"),
		"created negative":          replaceInput("1732233600", "-1732233600"),
		"created with zeros":        replaceInput("1732233600", "01732233600"),
		"created of 16 digits":      replaceInput("1732233600", "1732233600000000"),
		"created beyond int64":      replaceInput("1732233600", "99999999999999999999999"),
		"created empty":             replaceInput("1732233600", ""),
		"created twice":             replaceInput(";created=1732233600", ";created=1732233600;created=1732233600"),
		"no nonce":                  replaceInput(`;nonce="`+nonce+`"`, ""),
		"nonce upper case":          replaceInput(nonce, strings.ToUpper(nonce)),
		"nonce short":               replaceInput(nonce, nonce[2:]),
		"nonce long":                replaceInput(nonce, nonce+"00"),
		"nonce not hexadecimal":     replaceInput(nonce, "g"+nonce[1:]),
		"nonce as token":            replaceInput(`"`+nonce+`"`, nonce),
		"no keyid":                  replaceInput(`;keyid="`+pub1+`"`, ""),
		"keyid upper case":          replaceInput(pub1, strings.ToUpper(pub1)),
		"keyid short":               replaceInput(pub1, pub1[2:]),
		"keyid uncompressed":        replaceInput(pub1, "04"+pub1[2:]),
		"no tag":                    replaceInput(`;tag="syncline"`, ""),
		"tag of WebSocket":          replaceInput(`"syncline"`, `"syncline-ws"`),
		"other tag":                 replaceInput(`"syncline"`, `"app"`),
		"algorithm named":           replaceInput(`;tag=`, `;alg="ecdsa";tag=`),
		"expires":                   replaceInput(`;nonce=`, `;expires=1732233900;nonce=`),
		"parameter after tag":       replaceInput(`"syncline"`, `"syncline";expires=1732233900`),
		"parameters in other order": replaceInput(`;created=1732233600;nonce="`+nonce+`"`, `;nonce="`+nonce+`";created=1732233600`),
		"space after a semicolon":   replaceInput(";created", "; created"),
		"space at the end":          replaceInput(`"syncline"`, `"syncline" `),
		"no signature":              withSignature(""),
		"signature of other label":  withSignature("sig1=:" + b64 + ":"),
		"two signatures":            withSignature(h.Signature + ", " + h.Signature),
		"signature without colons":  withSignature("sig=" + b64),
		"signature as string":       withSignature(`sig="` + b64 + `"`),
		"signature with parameter":  withSignature(h.Signature + ";a"),
		"signature unpadded":        withSignature("sig=:" + strings.TrimRight(b64, "=") + ":"),
		"signature with line break": withSignature("sig=:" + b64[:10] + "\n" + b64[10:] + ":"),
		"signature with space":      withSignature("sig=:" + b64[:10] + " " + b64[10:] + ":"),
		"signature URL-safe":        withSignature("sig=:" + base64.URLEncoding.EncodeToString(append([]byte{31, 0xff, 0xff}, raw[3:]...)) + ":"),
		"signature of 64 bytes":     withSignature("sig=:" + base64.StdEncoding.EncodeToString(raw[1:]) + ":"),
		"signature of 66 bytes":     withSignature("sig=:" + base64.StdEncoding.EncodeToString(append(raw, 0)) + ":"),
		"signature empty":           withSignature("sig=::"),
		"signature one colon":       withSignature("sig=:"),
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := m.Parse(tt.SignatureInput, tt.Signature); !errors.Is(err, signing.ErrMalformed) {
				t.Errorf("Parse = %+v, %v; want ErrMalformed", got, err)
			}
		})
	}
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"api.example.com":      "api.example.com",
		"API.Example.COM":      "api.example.com",
		"api.example.com:80":   "api.example.com",
		"api.example.com:443":  "api.example.com",
		"API.example.com:8443": "api.example.com:8443",
		"api.example.com:4430": "api.example.com:4430",
		"[::1]:443":            "[::1]",
		"[::1]:8080":           "[::1]:8080",
		"[2001:DB8::443]":      "[2001:db8::443]",
		"[2001:db8::80]":       "[2001:db8::80]",
		"127.0.0.1:80":         "127.0.0.1",
	}
	for host, want := range tests {
		if got := signing.Authority(host); got != want {
			t.Errorf("Authority(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestSignRequestUsesWhatIsSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, url, host string
		want              signing.Message
	}{
		"escapes are kept":      {"POST", "https://api.example.com/a%2Fb/%7e?q=%20+", "", signing.Message{Method: "POST", Authority: "api.example.com", Path: "/a%2Fb/%7e", Query: "?q=%20+"}},
		"empty path":            {"POST", "https://api.example.com", "", signing.Message{Method: "POST", Authority: "api.example.com", Path: "/"}},
		"empty query":           {"GET", "https://api.example.com/graphql?", "", signing.Message{Method: "GET", Authority: "api.example.com", Path: "/graphql", Query: "?"}},
		"fragment stays here":   {"GET", "https://api.example.com/graphql#a", "", signing.Message{Method: "GET", Authority: "api.example.com", Path: "/graphql"}},
		"Host wins":             {"POST", "http://127.0.0.1:9000/graphql", "API.example.com:443", signing.Message{Method: "POST", Authority: "api.example.com", Path: "/graphql"}},
		"port of the plain web": {"POST", "http://localhost:80/graphql", "", signing.Message{Method: "POST", Authority: "localhost", Path: "/graphql"}},
		"question mark twice":   {"GET", "http://localhost/graphql?a?b", "", signing.Message{Method: "GET", Authority: "localhost", Path: "/graphql", Query: "?a?b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequest(tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.host != "" {
				req.Host = tt.host
			}
			body := []byte("body")
			if err := signing.SignRequest(req, body, mustKey(t), created, mustNonce(t)); err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Tag = signing.TagHTTP
			if tt.method != http.MethodGet {
				want.ContentDigest = signing.ContentDigest(body)
			}
			if got := req.Header.Get("Content-Digest"); got != want.ContentDigest {
				t.Errorf("Content-Digest = %q, want %q", got, want.ContentDigest)
			}
			signed, err := want.Parse(req.Header.Get("Signature-Input"), req.Header.Get("Signature"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := want.Verify(signed); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignWebSocketUsesTheUpgradeRequest(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("wss://API.example.com:443/graphql?v=1")
	if err != nil {
		t.Fatal(err)
	}
	h, err := signing.SignWebSocket(u, mustKey(t), created, mustNonce(t))
	if err != nil {
		t.Fatal(err)
	}
	want := signing.Message{Tag: signing.TagWebSocket, Method: "GET", Authority: "api.example.com", Path: "/graphql", Query: "?v=1"}
	signed, err := want.Parse(h.SignatureInput, h.Signature)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := want.Verify(signed); err != nil {
		t.Error(err)
	}
}

func TestSigningNeedsKeyAndHost(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]error{
		"/graphql":               signing.ErrBadAuthority,
		"https://bücher.example": signing.ErrBadAuthority,
		"https://localhost":      nil,
	} {
		req, err := http.NewRequest(http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := signing.SignRequest(req, nil, mustKey(t), created, mustNonce(t)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
	req, err := http.NewRequest(http.MethodPost, "https://localhost", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := signing.SignRequest(req, nil, signing.PrivateKey{}, created, mustNonce(t)); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("without key: %v, want ErrNoKey", err)
	}
}

func messages() map[string]signing.Message {
	return map[string]signing.Message{
		"POST":      {Tag: signing.TagHTTP, Method: "POST", Authority: "api.example.com", Path: "/graphql", ContentDigest: signing.ContentDigest([]byte("{}"))},
		"GET":       {Tag: signing.TagHTTP, Method: "GET", Authority: "api.example.com", Path: "/graphql", Query: "?query=%7B__typename%7D"},
		"WebSocket": {Tag: signing.TagWebSocket, Method: "GET", Authority: "api.example.com", Path: "/graphql"},
	}
}

func mustKey(t testing.TB) signing.PrivateKey {
	t.Helper()
	key, err := signing.ParsePrivateKey(key1)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustNonce(t testing.TB) signing.Nonce {
	t.Helper()
	n, err := signing.ParseNonce(nonce)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What each request pays beside recovering the key is a few texts.
func TestVerifyingAllocatesLittle(t *testing.T) { // not parallel: others' allocations would be counted
	body := []byte("{}")
	m := signing.Message{Tag: signing.TagHTTP, Method: "POST", Authority: "api.example.com", Path: "/graphql", Query: "?a=b", ContentDigest: signing.ContentDigest(body)}
	h, err := m.Sign(mustKey(t), created, mustNonce(t))
	if err != nil {
		t.Fatal(err)
	}
	key := mustKey(t).Public()
	known := func([32]byte, [65]byte) ([33]byte, error) { return key, nil }
	all := testing.AllocsPerRun(100, func() {
		signed, err := m.Parse(h.SignatureInput, h.Signature)
		if err == nil {
			_, err = m.VerifyBy(known, signed)
		}
		if err != nil || m.ContentDigest != signing.ContentDigest(body) {
			t.Fatal("not verified: ", err)
		}
	})
	if most := 4.0; all > most {
		t.Errorf("%.0f allocations, want at most %.0f", all, most)
	}
}
