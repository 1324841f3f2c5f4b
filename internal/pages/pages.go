// Package pages serves what a person or a tool reads without a signature: the
// start page and the schema.
package pages

import (
	_ "embed" // the start page
	"net/http"
)

//go:embed index.html
var index []byte

// The page runs no script and asks nothing of anyone else.
const contentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Index is the start page.
func Index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(index)
}

// Schema serves the API in GraphQL's schema language, for code generators.
func Schema(schema string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(schema))
	}
}
