package signing

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Tag tells apart what a signature is for.
type Tag string

const (
	// TagHTTP is the tag of a signed HTTP request.
	TagHTTP Tag = "syncline"
	// TagWebSocket is the tag of the signature that a connection_init message
	// carries over the upgrade request of its connection.
	TagWebSocket Tag = "syncline-ws"
)

// Message is what of a request a signature covers.
type Message struct {
	Tag    Tag
	Method string // upper case, as sent; GET for a WebSocket
	// Authority is the host and port under which the client reaches the server,
	// in the form that Authority gives it.
	Authority string
	Path      string // as sent, percent-encoding kept
	Query     string // as sent, with its leading "?"; empty if the target has none
	// ContentDigest is the value of that header: see ContentDigest. It is
	// covered exactly where CoversDigest says.
	ContentDigest string
}

// Params are the parameters of a signature, apart from the tag.
type Params struct {
	Created int64 // Unix seconds
	Nonce   Nonce
	KeyID   PublicKey
}

// CoversDigest tells whether the message's kind covers a digest of its body:
// every HTTP request but a GET.
func (m Message) CoversDigest() bool {
	return m.Tag == TagHTTP && m.Method != http.MethodGet
}

// BaseText is the text whose SHA-256 is signed.
func (m Message) BaseText(p Params) string {
	b := make([]byte, 0, 512) // more than most need
	b = appendComponent(b, "@method", m.Method)
	b = appendComponent(b, "@authority", m.Authority)
	b = appendComponent(b, "@path", m.Path)
	if m.Query != "" {
		b = appendComponent(b, "@query", m.Query)
	}
	if m.CoversDigest() {
		b = appendComponent(b, "content-digest", m.ContentDigest)
	}
	b = append(b, `"@signature-params": `...)
	return string(m.appendParams(b, p))
}

func appendComponent(b []byte, name, value string) []byte {
	b = append(append(b, '"'), name...)
	b = append(append(b, `": `...), value...)
	return append(b, '\n')
}

// SignatureParams is the list of components and the parameters, as they stand
// in the base text and, after "sig=", in the Signature-Input header.
func (m Message) SignatureParams(p Params) string { return string(m.appendParams(nil, p)) }

func (m Message) appendParams(b []byte, p Params) []byte {
	b = append(append(b, m.componentList()...), ";created="...)
	b = append(strconv.AppendInt(b, p.Created, 10), `;nonce="`...)
	b = append(hex.AppendEncode(b, p.Nonce[:]), `";keyid="`...)
	b = append(hex.AppendEncode(b, p.KeyID[:]), `";tag="`...)
	return append(append(b, m.Tag...), '"')
}

// componentList names what BaseText has.
func (m Message) componentList() string {
	digest := m.CoversDigest()
	switch {
	case digest && m.Query != "":
		return `("@method" "@authority" "@path" "@query" "content-digest")`
	case digest:
		return `("@method" "@authority" "@path" "content-digest")`
	case m.Query != "":
		return `("@method" "@authority" "@path" "@query")`
	default:
		return `("@method" "@authority" "@path")`
	}
}

// Authority is the normal form of a host with an optional port: lower case,
// without :80 and :443.
func Authority(host string) string {
	host = strings.ToLower(host)
	if h, ok := strings.CutSuffix(host, ":80"); ok {
		return h
	}
	return strings.TrimSuffix(host, ":443")
}

// SplitTarget takes the path and the query, with its leading "?", out of a
// request target as it was sent. The query is empty if the target has none.
func SplitTarget(target string) (path, query string) {
	path, query, found := strings.Cut(target, "?")
	if found {
		query = "?" + query
	}
	return path, query
}

// target is the request target that net/http sends for a URL.
func target(u *url.URL) (path, query string) { return SplitTarget(u.RequestURI()) }
