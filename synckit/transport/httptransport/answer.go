package httptransport

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// status is the HTTP status of an error.
func status(f wire.Fault) int {
	switch f.Code {
	case errors.InvalidEvent, errors.InvalidVersion:
		return http.StatusBadRequest
	case errors.Unauthenticated:
		return http.StatusUnauthorized
	case errors.CursorLost:
		return http.StatusGone
	case errors.TooLarge:
		return http.StatusRequestEntityTooLarge
	case errors.Unsupported:
		return http.StatusUnsupportedMediaType
	case errors.EventIDReused, errors.Refused:
		return http.StatusUnprocessableEntity
	case errors.Unavailable, errors.Timeout:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// codeOf is what a status means that comes without a code of ours: something in
// between answered, or a server of another make.
func codeOf(status int) errors.Code {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return errors.Unauthenticated
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return errors.Timeout
	case status == http.StatusRequestEntityTooLarge:
		return errors.TooLarge
	case status == http.StatusBadRequest, status == http.StatusConflict, status == http.StatusUnprocessableEntity:
		return errors.Refused
	case status == http.StatusTooManyRequests, status == http.StatusTooEarly, status >= http.StatusInternalServerError:
		return errors.Unavailable
	default:
		return errors.Unsupported
	}
}

func (h *SyncHandler) failWith(w http.ResponseWriter, r *http.Request, err error) {
	fault := wire.NewFault(err)
	if code := status(fault); code >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.printf("%s: %v", r.URL.Path, err)
	}
	h.fail(w, r, status(fault), fault)
}

func (h *SyncHandler) fail(w http.ResponseWriter, r *http.Request, status int, fault wire.Fault) {
	h.answer(w, r, status, wire.PushAnswer{Error: &fault}, fault.RetryAfter)
}

// answer sends JSON. A client that does not take it in time loses its connection.
func (h *SyncHandler) answer(w http.ResponseWriter, r *http.Request, status int, value any, retryAfter int) {
	body, err := json.Marshal(value)
	if err != nil {
		h.printf("%s: encode answer: %v", r.URL.Path, err)
		http.Error(w, "internal fault", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept-Encoding")
	if retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if acceptsGzip(r.Header) {
		sent, encoding, err := encoded(body, h.options.CompressAbove)
		if err == nil && encoding != "" {
			header.Set("Content-Encoding", encoding)
			body = sent
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(h.options.RequestTimeout)) // what cannot do it has its own limits
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{}) // the connection may serve others
}
