package wstransport

import (
	"net/http"
	"net/url"
	"strings"
)

// sameOrigin tells whether a page of the server's own connects, or no page.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
