package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"

	"syncline/client"
)

const (
	// maxNote is what a record may hold.
	maxNote = 64 << 10
	// retryTime is how long the client goes on trying while Syncline is away.
	retryTime = 10 * time.Second
)

// notes serves each note as a resource. Its ETag is the record's revision.
type notes struct{ store *client.Client }

// newHandler is the REST service over a store.
func newHandler(store *client.Client) http.Handler {
	n := notes{store}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{id}", n.get)
	mux.HandleFunc("PUT /notes/{id}", n.put)
	return mux
}

func (n notes) get(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), retryTime)
	defer cancel()
	record, err := n.store.Get(ctx, r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	if record.Deleted {
		fail(w, client.ErrNotFound)
		return
	}
	answer(w, http.StatusOK, &record)
}

// put writes a note: a new one, or with If-Match the next state of the one that
// the caller has seen.
func (n notes) put(w http.ResponseWriter, r *http.Request) {
	seen, err := parseETag(r.Header.Get("If-Match"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNote))
	if err != nil {
		http.Error(w, "a note holds at most 64 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), retryTime)
	defer cancel()
	written, err := n.store.Set(ctx, r.PathValue("id"), text, seen)
	var conflict *client.ConflictError
	switch {
	case errors.As(err, &conflict) && seen == 0:
		answer(w, http.StatusConflict, conflict.Current)
	case errors.As(err, &conflict):
		answer(w, http.StatusPreconditionFailed, conflict.Current)
	case err != nil:
		fail(w, err)
	default:
		w.Header().Set("ETag", etag(written.Revision))
		w.WriteHeader(map[bool]int{true: http.StatusCreated, false: http.StatusNoContent}[seen == 0])
	}
}

// answer sends a note as it is; after a conflict too, so that the caller can merge.
func answer(w http.ResponseWriter, status int, record *client.Record) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if record == nil || record.Deleted {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("ETag", etag(record.Revision))
	w.WriteHeader(status)
	_, _ = w.Write(record.Data) //nolint:gosec // text, and declared as such
}

// fail says what went wrong as far as the caller can do something about it.
func fail(w http.ResponseWriter, err error) {
	status, text := http.StatusBadGateway, "the store cannot do this"
	switch {
	case errors.Is(err, client.ErrNotFound):
		status, text = http.StatusNotFound, "no such note"
	case errors.Is(err, client.ErrBadUserInput):
		status, text = http.StatusBadRequest, "a note's name has 1 to 64 bytes, without control characters"
	case errors.Is(err, client.ErrQuotaExceeded):
		status, text = http.StatusInsufficientStorage, "there is no room left"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, client.ErrUnreachable),
		errors.Is(err, client.ErrUnavailable), errors.Is(err, client.ErrRateLimited):
		status, text = http.StatusServiceUnavailable, "the store is away: try again"
		w.Header().Set("Retry-After", "5")
	}
	if status >= http.StatusInternalServerError {
		log.Print(err)
	}
	http.Error(w, text, status)
}

func etag(revision client.Revision) string {
	return strconv.Quote(strconv.FormatInt(int64(revision), 10))
}

// parseETag is the revision that a caller has seen; 0 if it names none.
func parseETag(header string) (client.Revision, error) {
	if header == "" {
		return 0, nil
	}
	text, err := strconv.Unquote(header)
	if err != nil {
		return 0, errors.New("If-Match must be an ETag that this service gave")
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil || revision < 1 {
		return 0, errors.New("If-Match must be an ETag that this service gave")
	}
	return client.Revision(revision), nil
}
