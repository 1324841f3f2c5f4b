package lifecycle

import "net/http"

// HTTPServer is what serves a listener, for tests that bring connections and a clock of their own.
func (s *Server) HTTPServer(l Listener) *http.Server { return s.httpServer(l, nil) }
