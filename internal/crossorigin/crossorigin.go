// Package crossorigin says which pages of other origins may use the service
// from a browser, and what they may send.
package crossorigin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/rs/cors"

	"syncline/auth/signing"
)

// maxAge is how long a browser may remember a preflight's answer, in seconds.
const maxAge = 7200

// maxLogged bounds the headers that the log names.
const maxLogged = 20

// Protocol names the headers that a protocol needs.
type Protocol struct {
	Request []string // that pages send
	Answer  []string // that pages may read
}

// GraphQL is Syncline's own protocol.
var GraphQL = Protocol{
	Request: []string{
		"Accept", "Content-Type", "Authorization",
		signing.HeaderContentDigest, signing.HeaderSignature, signing.HeaderSignatureInput,
	},
	Answer: []string{"Retry-After", "X-Request-Id"},
}

// GRPCWeb is what gRPC-Web and Connect clients send and read.
var GRPCWeb = Protocol{
	Request: []string{
		"Accept", "Content-Type", "Authorization", "User-Agent", "X-User-Agent", "X-Grpc-Web", "Grpc-Timeout",
		"Connect-Protocol-Version", "Connect-Timeout-Ms", "Connect-Accept-Encoding", "Connect-Content-Encoding",
	},
	Answer: []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"},
}

// Policy is what pages of other origins may do.
type Policy struct {
	cors    *cors.Cors
	headers map[string]bool // in lower case; nil: all
	log     *slog.Logger

	mu     sync.Mutex
	logged map[string]bool // headers whose refusal is in the log
}

// New is a policy for one protocol that allows the origins listed; "*" allows all, and an empty list none. headers
// are the names of request headers that pages may send beside those of the
// protocol; "*" allows all. What is refused for its headers is logged, each
// header once.
//
// Pages of origins that are named, not of "*", may send cookies: the service has
// none, but a proxy before it may ask for its own. With them a page can still do
// only what it can sign.
func New(protocol Protocol, origins, headers []string, log *slog.Logger) *Policy {
	options := cors.Options{
		AllowedOrigins:   origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   slices.Concat(protocol.Request, headers),
		ExposedHeaders:   protocol.Answer,
		AllowCredentials: !slices.Contains(origins, "*"),
		MaxAge:           maxAge,
	}
	if len(origins) == 0 { // which stands for all there
		options.AllowOriginFunc = func(string) bool { return false }
	}
	p := &Policy{cors: cors.New(options), log: log, logged: make(map[string]bool)}
	if !slices.Contains(headers, "*") {
		p.headers = make(map[string]bool)
		for _, name := range options.AllowedHeaders {
			p.headers[strings.ToLower(name)] = true
		}
	}
	return p
}

// Handler answers preflights, and lets browsers show answers to allowed origins.
// A preflight that is refused is told why: browsers do not show that to the page,
// but other programs do.
func (p *Policy) Handler(next http.Handler) http.Handler {
	allowed := p.cors.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			if reason := p.refuses(r); reason != "" {
				refuse(w, reason)
				return
			}
		}
		allowed.ServeHTTP(w, r)
	})
}

// refuses says why a preflight is refused.
func (p *Policy) refuses(r *http.Request) (reason string) {
	origin := r.Header.Get("Origin")
	if !p.cors.OriginAllowed(r) {
		return fmt.Sprintf("pages of %.200q may not use this server: see ALLOWED_ORIGINS", origin)
	}
	if p.headers == nil {
		return ""
	}
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("Access-Control-Request-Headers"), ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && !p.headers[name] {
			p.logOnce(r, name)
			return fmt.Sprintf("pages may not send the request header %.100q here: see ALLOWED_HEADERS", name)
		}
	}
	return ""
}

// logOnce helps an operator to find out why an app fails in browsers only.
func (p *Policy) logOnce(r *http.Request, header string) {
	p.mu.Lock()
	known := p.logged[header] || len(p.logged) == maxLogged
	if !known {
		p.logged[strings.Clone(header)] = true
	}
	p.mu.Unlock()
	if !known {
		p.log.WarnContext(r.Context(), "a page was refused: ALLOWED_HEADERS lacks a request header that it sends",
			"header", fmt.Sprintf("%.100s", header), "origin", fmt.Sprintf("%.200s", r.Header.Get("Origin")))
	}
}

func refuse(w http.ResponseWriter, reason string) {
	type extensions struct {
		Code string `json:"code"`
	}
	type failure struct {
		Message    string     `json:"message"`
		Extensions extensions `json:"extensions"`
	}
	body, _ := json.Marshal(map[string][]failure{"errors": {{reason, extensions{"FORBIDDEN"}}}}) // which cannot fail
	header := w.Header()
	header.Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(body)
}

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
