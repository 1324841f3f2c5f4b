package httptransport

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// pull answers a page.
func (h *SyncHandler) pull(w http.ResponseWriter, r *http.Request) {
	page, leave, err := h.page(r)
	defer leave()
	if err != nil {
		h.failWith(w, r, err)
		return
	}
	events := page.Encode(func(err error) { h.printf("pull: left out: %v", err) })
	if page.Cursor != "" {
		w.Header().Set(headerCursor, page.Cursor)
	}
	w.Header().Set(headerMore, strconv.FormatBool(page.More))
	h.answer(w, r, http.StatusOK, events, 0)
}

// page reads what a request asks for. leave ends its turn, once it is answered.
func (h *SyncHandler) page(r *http.Request) (page peerlog.Page, leave func(), err error) {
	leave = func() {}
	ctx, cancel := context.WithTimeout(r.Context(), h.options.RequestTimeout)
	defer cancel()
	values := r.URL.Query()
	if values.Get("from") == "end" {
		page.Cursor, err = h.log.End(ctx)
		return page, leave, err
	}
	q, err := h.query(ctx, values)
	if err != nil {
		return page, leave, err
	}
	wait, err := h.wait(values)
	if err != nil {
		return page, leave, err
	}
	if wait > 0 {
		// It waits without holding a page. Then it reads anew, when it is its turn.
		one, err := h.log.Next(r.Context(), peerlog.Query{Cursor: q.Cursor, Limit: 1}, wait)
		if err != nil || len(one.Items) == 0 {
			return one, leave, err
		}
		ctx, cancel = context.WithTimeout(r.Context(), h.options.RequestTimeout)
		defer cancel()
	}
	if leave, err = h.enter(ctx); err != nil {
		return page, func() {}, err
	}
	page, err = h.log.Page(ctx, q)
	return page, leave, err
}

func (h *SyncHandler) query(ctx context.Context, values url.Values) (peerlog.Query, error) {
	q := peerlog.Query{Cursor: values.Get("cursor"), Limit: math.MaxInt32}
	if values.Has("cursor") || values.Has("limit") {
		q.Limit = h.options.MaxEvents
	}
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 {
			return q, errors.New(errors.InvalidVersion, "pull", fmt.Errorf("limit %.40q is not a number above 0", text))
		}
		q.Limit = min(limit, h.options.MaxEvents)
	}
	var err error
	q.Since, err = wire.ParseVersion(ctx, h.parse, values.Get("since"))
	return q, err
}

func (h *SyncHandler) wait(values url.Values) (time.Duration, error) {
	text := values.Get("wait")
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 {
		return 0, errors.New(errors.InvalidVersion, "pull", fmt.Errorf("wait %.40q is not a number of seconds", text))
	}
	return time.Duration(min(seconds, h.options.MaxWait.Seconds()) * float64(time.Second)), nil
}
