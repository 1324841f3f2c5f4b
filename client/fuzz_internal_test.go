package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

// FuzzAnswer: whatever a server answers is data, or an error of a kind that the
// documentation names.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"viewer":{"id":"a","head":1}}}`, `{"data":null,"errors":[{"message":"m","extensions":{"code":"UNAVAILABLE","retryAfterMs":1}}]}`,
		`{"errors":[{"message":"m","extensions":{"code":"SIGNATURE_EXPIRED","serverTime":"2024-01-01T00:00:00Z"}}]}`,
		`{"errors":[{}]}`, `{"errors":[]}`, `{"data":{}}`, `{"data":null}`, `null`, `<html>`, ``, `{"errors":[{"extensions":{"retryAfterMs":9223372036854775807}}]}`,
	} {
		for _, status := range []int{200, 401, 404, 429, 503} {
			f.Add(status, "1", []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status int, retryAfter string, body []byte) {
		res := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Retry-After": {retryAfter}}}
		data, err := readAnswer(res, body)
		if err == nil {
			if !json.Valid(data) || string(data) == "null" {
				t.Errorf("%q is taken for data", data)
			}
			return
		}
		var coded *Error
		if !errors.As(err, &coded) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrUnreachable) {
			t.Errorf("%v is of no known kind", err)
		}
	})
}

// FuzzSocketMessage: whatever comes on a socket is an event, or an error of a
// kind that the documentation names.
func FuzzSocketMessage(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","type":"next","payload":{"data":{"recordChanged":{"kind":"CHANGED","cursor":"a","record":{"id":"a","revision":1,"data":"YQ=="}}}}}`,
		`{"id":"1","type":"next","payload":{"data":{"recordChanged":{"kind":"CAUGHT_UP","cursor":"a"}}}}`,
		`{"id":"1","type":"next","payload":{"errors":[{"message":"m"}]}}`, `{"id":"1","type":"error","payload":[{"message":"m","extensions":{"code":"CURSOR_TOO_OLD","floor":3}}]}`,
		`{"id":"1","type":"error","payload":{}}`, `{"id":"1","type":"error","payload":[]}`, `{"id":"1","type":"complete"}`, `{"type":"x"}`, `{"payload":1}`,
	} {
		f.Add([]byte(seed), 4403, `{"code":"SIGNATURE_EXPIRED","serverTime":"2024-01-01T00:00:00Z"}`)
	}
	f.Fuzz(func(t *testing.T, text []byte, code int, reason string) {
		known := func(err error) bool {
			var coded *Error
			return err == nil || errors.Is(err, errStopped) || errors.As(err, &coded) || errors.Is(err, ErrProtocol) || errors.Is(err, ErrUnreachable)
		}
		if err := closed(&websocket.CloseError{Code: code, Text: reason}); err == nil || !known(err) {
			t.Errorf("closed with %d %q: %v", code, reason, err)
		}
		var m message
		if json.Unmarshal(text, &m) != nil {
			return
		}
		w := watcher{deliver: func(raw json.RawMessage) (bool, error) {
			var data struct{ RecordChanged Event }
			if err := json.Unmarshal(raw, &data); err != nil {
				return false, ErrProtocol
			}
			return true, nil
		}}
		if err := w.handle(m); !known(err) {
			t.Errorf("%s: %v is of no known kind", text, err)
		}
	})
}
