// Package responsewriter helps to stand between a handler and what it answers to.
package responsewriter

import (
	"bufio"
	"net"
	"net/http"
)

// Wrapper is embedded by a type that sees some of what a handler does with a
// http.ResponseWriter. All else goes through to that: a http.ResponseController finds it, and
// flushing and taking over the connection work for code that asks for their interfaces.
type Wrapper struct{ http.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w Wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w Wrapper) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() } // who cannot has nothing to say

// Hijack implements http.Hijacker. The error is http.ErrNotSupported where connections cannot be taken over.
func (w Wrapper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
