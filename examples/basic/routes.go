package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
)

//go:embed page
var files embed.FS

func routes(w *world) http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(page))
	mux.Handle("/sync/", http.StripPrefix("/sync", w.handler))
	mux.HandleFunc("GET /stream", w.serveStream)
	mux.HandleFunc("POST /devices/{device}/{action}", w.serveAction)
	mux.HandleFunc("POST /conflict", func(rw http.ResponseWriter, r *http.Request) {
		answer(rw, w.makeConflict(r.Context(), note(r)))
	})
	protection := http.NewCrossOriginProtection() // other sites' pages press no buttons here
	return protection.Handler(mux)
}

func (w *world) serveAction(rw http.ResponseWriter, r *http.Request) {
	d := w.device(r.PathValue("device"))
	if d == nil {
		http.NotFound(rw, r)
		return
	}
	switch r.PathValue("action") {
	case "write":
		answer(rw, d.write(r.Context(), note(r), r.FormValue("text")))
	case "offline", "online":
		d.setOnline(r.Context(), r.PathValue("action") == "online")
		answer(rw, nil)
	default:
		http.NotFound(rw, r)
	}
}

// note is the note that a request is about.
func note(r *http.Request) string {
	if n := r.FormValue("note"); n != "" {
		return n
	}
	return "shopping"
}

func answer(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

// serveStream sends what happens as Server-Sent Events. A browser that comes
// back says up to which line it has seen.
func (w *world) serveStream(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("Cache-Control", "no-store")
	seen, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // none: from the beginning
	for {
		lines, changed := w.activity.since(seen)
		for _, l := range lines {
			seen = l.Number
			send(rw, "line", l.Number, l)
		}
		s, err := w.state(r.Context())
		if err != nil {
			return // the world ends, or the page was closed
		}
		send(rw, "state", seen, s)
		if err := http.NewResponseController(rw).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

// send writes one event. An error shows at the next flush.
func send(rw http.ResponseWriter, name string, id int, content any) {
	encoded, err := json.Marshal(content)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(rw, "id: %d\nevent: %s\ndata: %s\n\n", id, name, encoded)
}
