// Package crossorigin says which pages of other origins may use the service
// from a browser.
package crossorigin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"syncline/auth/signing"
)

// maxAge is how long a browser may remember a preflight's answer, in seconds.
const maxAge = 7200

// Policy is a list of allowed origins.
type Policy struct {
	cors *cors.Cors
}

// New allows the origins listed; "*" allows all, and an empty list none. No cookie or other ambient
// credential exists here, so a foreign page can do only what it can sign.
func New(origins []string) *Policy {
	options := cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{
			"Accept", "Content-Type", "Authorization",
			signing.HeaderContentDigest, signing.HeaderSignature, signing.HeaderSignatureInput,
		},
		ExposedHeaders: []string{"Retry-After", "X-Request-Id"},
		MaxAge:         maxAge,
	}
	if len(origins) == 0 { // which stands for all there
		options.AllowOriginFunc = func(string) bool { return false }
	}
	return &Policy{cors: cors.New(options)}
}

// Handler answers preflights, and lets browsers show answers to allowed origins.
func (p *Policy) Handler(next http.Handler) http.Handler { return p.cors.Handler(next) }

// AllowsSocket tells whether a WebSocket may be opened: browsers do not ask
// before. Programs send no origin; the server's own pages are always allowed.
func (p *Policy) AllowsSocket(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || isOwn(origin, r.Host) || p.cors.OriginAllowed(r)
}

func isOwn(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}
