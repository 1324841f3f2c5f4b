package httptransport

import (
	"bytes"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

func pageValues(since string, limit int) url.Values {
	values := url.Values{"limit": {strconv.Itoa(limit)}}
	if version, ok := strings.CutPrefix(since, sincePrefix); ok {
		values.Set("since", version)
	} else {
		values.Set("cursor", since)
	}
	return values
}

// get reads a page. The server may hold it back for as long as wait.
func (t *Transport) get(ctx context.Context, values url.Values, wait time.Duration) (synckit.Page, error) {
	if wait > 0 {
		values.Set("wait", strconv.FormatFloat(wait.Seconds(), 'f', -1, 64))
	}
	answer, err := t.call(ctx, http.MethodGet, "/pull?"+values.Encode(), nil, t.options.Timeout+wait)
	if err != nil {
		return synckit.Page{}, err
	}
	if answer.status != http.StatusOK {
		return synckit.Page{}, answer.fault("pull")
	}
	events, err := wire.ReadAll(answer.body)
	if err != nil {
		return synckit.Page{}, errors.New(errors.Unsupported, "pull", fmt.Errorf("not an answer of this API: %w", err))
	}
	page, err := wire.DecodeAll(ctx, events, t.parse)
	page.Cursor, page.More = answer.header.Get(headerCursor), answer.header.Get(headerMore) == "true"
	return page, err
}

// answer is what a server said, decompressed.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request once.
func (t *Transport) call(ctx context.Context, method, target string, body []byte, timeout time.Duration) (answer, error) {
	bound, release, err := t.lifetime.Begin(ctx, method)
	if err != nil {
		return answer{}, err
	}
	defer release()
	bound, cancel := context.WithTimeout(bound, timeout)
	defer cancel()
	req, err := t.request(bound, method, target, body)
	if err != nil {
		return answer{}, errors.New(errors.InvalidOptions, method, err)
	}
	res, err := t.client.Do(req)
	if err != nil {
		return answer{}, t.lifetime.Failed(ctx, bound, method, err)
	}
	defer func() { _ = res.Body.Close() }()
	read, err := t.read(res)
	if err != nil {
		return answer{}, t.lifetime.Failed(ctx, bound, method, err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: read}, nil
}

func (t *Transport) request(ctx context.Context, method, target string, body []byte) (*http.Request, error) {
	sent, encoding, err := encoded(body, t.options.CompressAbove)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+target, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", jsonType)
		req.Header["Idempotency-Key"] = nil // net/http may send it again, on another connection
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	req.Header.Set("Accept", jsonType)
	req.Header.Set("Accept-Encoding", gzipEncoding)
	return req, nil
}

func (t *Transport) read(res *http.Response) ([]byte, error) {
	body, err := decoded(res.Body, res.Header.Get("Content-Encoding"), t.options.MaxResponseBytes, t.options.MaxDecompressedBytes)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// fault is the error that an answer tells of.
func (a answer) fault(op string) error {
	var told wire.PushAnswer
	if json.Unmarshal(a.body, &told) == nil && told.Error != nil && told.Error.Code != "" {
		return told.Error.Error(op)
	}
	fault := wire.Fault{Code: codeOf(a.status), Message: "HTTP status " + strconv.Itoa(a.status)}
	if a.status == http.StatusNotFound {
		fault.Message += ", as where no SyncHandler is: check the URL, and use synclinetransport for a Syncline server"
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds > 0 {
		fault.RetryAfter = seconds
	}
	return fault.Error(op)
}

var errUnaccounted = stderrors.New("the answer does not tell what became of all events")
