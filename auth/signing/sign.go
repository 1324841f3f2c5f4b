package signing

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// The names of the headers of a signed request. In a connection_init message
// the two signature values stand under their lower-case names.
const (
	HeaderContentDigest  = "Content-Digest"
	HeaderSignatureInput = "Signature-Input"
	HeaderSignature      = "Signature"
)

// ErrNoKey is returned when the key to sign with is the zero PrivateKey.
var ErrNoKey = errors.New("signing: no private key")

// ErrBadAuthority is returned for a URL whose host cannot be signed.
var ErrBadAuthority = errors.New("signing: the URL needs a host, in its ASCII form")

// Headers are the values of Signature-Input and Signature.
type Headers struct {
	SignatureInput string
	Signature      string
}

// Sign signs the message.
func (m Message) Sign(key PrivateKey, created time.Time, nonce Nonce) (Headers, error) {
	if key.IsZero() {
		return Headers{}, ErrNoKey
	}
	p := Params{Created: created.Unix(), Nonce: nonce, KeyID: key.Public()}
	return Headers{
		SignatureInput: "sig=" + m.SignatureParams(p),
		Signature:      "sig=:" + Sign(key, m.BaseText(p)).String() + ":",
	}, nil
}

// RequestMessage is the message of an HTTP request that a client is about to
// send with this body. The body of a GET is not covered and must be empty.
func RequestMessage(r *http.Request, body []byte) (Message, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	m, err := newMessage(TagHTTP, r.Method, host, r.URL)
	if err != nil {
		return Message{}, err
	}
	if m.CoversDigest() {
		m.ContentDigest = ContentDigest(body)
	}
	return m, nil
}

// WebSocketMessage is the message that a connection_init signs: the upgrade
// request of a connection to u, whose scheme may be ws, wss, http or https.
func WebSocketMessage(u *url.URL) (Message, error) {
	return newMessage(TagWebSocket, http.MethodGet, u.Host, u)
}

// SignRequest sets Content-Digest (but for a GET), Signature-Input and
// Signature on a request that will be sent with this body. It does not touch
// r.Body. A nonce serves once: sign a retry anew.
func SignRequest(r *http.Request, body []byte, key PrivateKey, created time.Time, nonce Nonce) error {
	m, err := RequestMessage(r, body)
	if err != nil {
		return err
	}
	h, err := m.Sign(key, created, nonce)
	if err != nil {
		return err
	}
	if m.CoversDigest() {
		r.Header.Set(HeaderContentDigest, m.ContentDigest)
	}
	r.Header.Set(HeaderSignatureInput, h.SignatureInput)
	r.Header.Set(HeaderSignature, h.Signature)
	return nil
}

// SignWebSocket gives the values that connection_init carries under
// "signature-input" and "signature" for a connection to u.
func SignWebSocket(u *url.URL, key PrivateKey, created time.Time, nonce Nonce) (Headers, error) {
	m, err := WebSocketMessage(u)
	if err != nil {
		return Headers{}, err
	}
	return m.Sign(key, created, nonce)
}

func newMessage(tag Tag, method, host string, u *url.URL) (Message, error) {
	if host == "" || !isASCII(host) {
		return Message{}, ErrBadAuthority
	}
	if method == "" {
		method = http.MethodGet // as net/http has it
	}
	path, query := target(u)
	return Message{Tag: tag, Method: method, Authority: Authority(host), Path: path, Query: query}, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
