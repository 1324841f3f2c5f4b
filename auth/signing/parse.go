package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"syncline/auth/recovery"
)

// ErrMalformed says that a signature header is not of the one form that its
// kind of request has. The text of errors that wrap it is meant for the client.
var ErrMalformed = errors.New("malformed signature")

// Signed is what the signature headers of a message say. It is not verified:
// see Message.Verify.
type Signed struct {
	Params
	Signature Signature
}

// Parse reads the values of Signature-Input and Signature. They must be exactly
// what the message's kind calls for: byte by byte the text that
// SignatureHeaders writes. Errors wrap ErrMalformed.
func (m Message) Parse(signatureInput, signature string) (Signed, error) {
	params, err := m.parseInput(signatureInput)
	if err != nil {
		return Signed{}, err
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Params: params, Signature: sig}, nil
}

// Verify recovers who signed the message, and checks that it is the key named
// by keyid. Errors wrap ErrMalformed or ErrMismatch.
func (m Message) Verify(s Signed) (PublicKey, error) {
	return m.VerifyBy(recovery.PublicKey, s)
}

// VerifyBy is Verify by another Recoverer.
func (m Message) VerifyBy(r Recoverer, s Signed) (PublicKey, error) {
	key, err := recoverBy(r, m.BaseText(s.Params), s.Signature)
	if err != nil {
		return PublicKey{}, err
	}
	if key != s.KeyID {
		return PublicKey{}, ErrMismatch
	}
	return key, nil
}

// maxCreatedDigits is what a structured header's integer can hold.
const maxCreatedDigits = 15

func (m Message) parseInput(value string) (Params, error) {
	list := m.componentList()
	rest, ok := strings.CutPrefix(value, "sig=")
	rest, ok2 := strings.CutPrefix(rest, list)
	if !ok || !ok2 {
		return Params{}, malformed("Signature-Input must begin with sig=%s for this request", list)
	}
	created, rest, ok := between(rest, ";created=", ";")
	if !ok {
		return Params{}, malformed("created must be the first parameter")
	}
	nonce, rest, ok := between(rest, `nonce="`, `"`)
	if !ok {
		return Params{}, malformed("nonce must be the second parameter")
	}
	keyID, rest, ok := between(rest, `;keyid="`, `"`)
	if !ok {
		return Params{}, malformed("keyid must be the third parameter")
	}
	if rest != `;tag="`+string(m.Tag)+`"` {
		return Params{}, malformed("tag must be the last parameter, and %q for this request", m.Tag)
	}
	return parseParams(created, nonce, keyID)
}

func parseParams(created, nonce, keyID string) (Params, error) {
	var p Params
	var ok bool
	if p.Created, ok = parseCreated(created); !ok {
		return Params{}, malformed("created must be Unix seconds, an integer without sign or leading zeros")
	}
	if !decodeLowerHex(p.Nonce[:], nonce) {
		return Params{}, malformed("nonce must be 32 lower-case hexadecimal characters")
	}
	if p.KeyID, ok = parseKeyID(keyID); !ok {
		return Params{}, malformed("keyid must be 66 lower-case hexadecimal characters of a compressed public key")
	}
	return p, nil
}

func parseCreated(s string) (int64, bool) {
	if len(s) > maxCreatedDigits {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

func parseSignature(value string) (Signature, error) {
	text, ok := strings.CutPrefix(value, "sig=:")
	text, ok2 := strings.CutSuffix(text, ":")
	var sig Signature
	var read, again [(len(sig) + 2) / 3 * 4]byte
	if ok && ok2 && len(text) == len(read) {
		copy(read[:], text)
		n, err := base64.StdEncoding.Decode(again[:], read[:])
		copy(sig[:], again[:n])
		// The decoder takes line breaks and other padding bits: the same bytes have
		// one form only, that in which they are written out again.
		base64.StdEncoding.Encode(again[:], sig[:])
		if err == nil && n == len(sig) && again == read {
			return sig, nil
		}
	}
	return Signature{}, malformed("Signature must be sig=:<standard base64 of 65 bytes>:")
}

// between cuts s into what stands between a prefix and the next end, and the
// rest after that end.
func between(s, prefix, end string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, prefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(s, end)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
