package httptransport

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// push stores what a client sends.
func (h *SyncHandler) push(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.options.RequestTimeout)
	defer cancel()
	leave, err := h.enter(ctx)
	if err != nil {
		h.failWith(w, r, err)
		return
	}
	defer leave()
	events, err := h.receive(w, r)
	if err != nil {
		h.failWith(w, r, err)
		return
	}
	var after *string
	if values := r.URL.Query(); values.Has("after") {
		cursor := values.Get("after")
		after = &cursor
	}
	end, outcome := h.log.Receive(ctx, events, after)
	if outcome.Err != nil {
		h.printf("push: %d of %d events stored: %v", len(outcome.Stored), len(events), outcome.Err)
	}
	answer := wire.NewPushAnswer(outcome)
	answer.Cursor = end
	switch {
	case answer.Error != nil:
		h.answer(w, r, status(*answer.Error), answer, answer.Error.RetryAfter)
	case len(answer.Refused) > 0:
		h.answer(w, r, http.StatusUnprocessableEntity, answer, 0)
	default:
		h.answer(w, r, http.StatusOK, answer, 0)
	}
}

// receive reads a body.
func (h *SyncHandler) receive(w http.ResponseWriter, r *http.Request) ([]wire.Event, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > h.options.MaxRequestBytes {
		return nil, errTooLarge
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.options.RequestTimeout)) // what cannot do it has its own limits
	body, err := decoded(r.Body, r.Header.Get("Content-Encoding"), h.options.MaxRequestBytes, h.options.MaxDecompressedBytes)
	if err != nil {
		return nil, unreadable(err)
	}
	events, err := readEvents(body, h.options.MaxEvents)
	if err != nil {
		return nil, unreadable(err)
	}
	_ = control.SetReadDeadline(time.Time{})
	return events, nil
}

func checkContentType(h http.Header) error {
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || kind != jsonType || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return errors.New(errors.Unsupported, "read body", fmt.Errorf("content type %.100q, not %s", h.Get("Content-Type"), jsonType))
	}
	return nil
}

// readEvents reads a JSON array of up to some events, one by one.
func readEvents(body io.Reader, most int) ([]wire.Event, error) {
	decoder := json.NewDecoder(body)
	if start, err := decoder.Token(); err != nil {
		return nil, err
	} else if start != json.Delim('[') {
		return nil, stderrors.New("the body is not an array")
	}
	var events []wire.Event
	for decoder.More() {
		if len(events) == most {
			return nil, errors.New(errors.TooLarge, "read body", fmt.Errorf("more than %d events", most))
		}
		var e wire.Event
		if err := decoder.Decode(&e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !stderrors.Is(err, io.EOF) {
		if err == nil {
			err = stderrors.New("the body goes on after the array")
		}
		return nil, err
	}
	return events, nil
}

// unreadable gives the error of a body its code.
func unreadable(err error) error {
	switch {
	case errors.CodeOf(err) != "":
		return err
	case stderrors.Is(err, os.ErrDeadlineExceeded):
		return errors.New(errors.Timeout, "read body", err)
	default:
		return errors.New(errors.InvalidEvent, "read body", err)
	}
}
