package signing_test

import (
	"testing"

	"syncline/auth/signing"
)

// FuzzParse: what is accepted is byte by byte what signing would write.
func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		h, err := m.Sign(mustKey(f), created, mustNonce(f))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(m.Tag), m.Method, m.Query, h.SignatureInput, h.Signature)
	}
	f.Fuzz(func(t *testing.T, tag, method, query, input, signature string) {
		m := signing.Message{Tag: signing.Tag(tag), Method: method, Authority: "api.example.com", Path: "/graphql", Query: query}
		signed, err := m.Parse(input, signature)
		if err != nil {
			if signed != (signing.Signed{}) {
				t.Errorf("refused, but gave %+v", signed)
			}
			return
		}
		if want := "sig=" + m.SignatureParams(signed.Params); input != want {
			t.Errorf("took %q for %q", input, want)
		}
		if want := "sig=:" + signed.Signature.String() + ":"; signature != want {
			t.Errorf("took %q for %q", signature, want)
		}
		if key, err := m.Verify(signed); err == nil && key != signed.KeyID {
			t.Errorf("verified for %v, which is not keyid %v", key, signed.KeyID)
		}
	})
}

// FuzzRecover: no signature has two forms for the same text and key.
func FuzzRecover(f *testing.F) {
	sig := signing.Sign(mustKey(f), "text")
	f.Add("text", sig[:])
	high := highS(sig)
	f.Add("text", high[:])
	f.Add("other", sig[:])
	f.Fuzz(func(t *testing.T, text string, b []byte) {
		if len(b) != len(signing.Signature{}) {
			return
		}
		sig := signing.Signature(b)
		key, err := signing.Recover(text, sig)
		if err != nil {
			return
		}
		if _, err := signing.ParsePublicKey(key.String()); err != nil {
			t.Errorf("recovered %v: %v", key, err)
		}
		if other, err := signing.Recover(text, highS(sig)); err == nil {
			t.Errorf("its form with high s recovers %v", other)
		}
		for header := range 256 {
			if other, err := signing.Recover(text, withHeader(sig, byte(header))); err == nil && other == key && byte(header) != sig[0] {
				t.Errorf("header bytes %d and %d both recover %v", sig[0], header, key)
			}
		}
	})
}
