package transport

import "net/http"

// Schema serves the API in GraphQL's schema language, for code generators.
func Schema(schema string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte(schema))
	}
}
