package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"syncline/auth/signing"
)

// maxAnswerBytes bounds what is read of an answer: well above a hundred of the
// largest records.
const maxAnswerBytes = 64 << 20

type operation struct {
	document string
	unsigned bool
	marked   bool // it carries a mutation id, by which a second copy is known
	pace     pace
}

// pace bounds each try of a call and the pauses in between; 0 means as usual.
type pace struct{ try, pause time.Duration }

// call sends an operation until it is answered, refused or ctx ends, and
// decodes the answer's data. sent is the instant right before the answered
// request was sent.
func (c *Client) call(ctx context.Context, op operation, variables, data any) (sent time.Time, err error) {
	if err := checkText(variables); err != nil {
		return time.Time{}, err
	}
	body, err := json.Marshal(map[string]any{"query": op.document, "variables": variables})
	if err != nil {
		return time.Time{}, fmt.Errorf("encode request: %w", err)
	}
	if c.callTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.callTimeout)
		defer cancel()
	}
	began := time.Now()
	var answer json.RawMessage
	var inDoubt time.Time // when the first try was sent that may have been applied
	err = c.retry(ctx, op.pace.pause, func() error {
		if op.marked {
			if err := c.isRemembered(ctx, inDoubt); err != nil {
				return err
			}
		}
		sent = time.Now()
		answer, err = c.try(ctx, op, body)
		if inDoubt.IsZero() && mayBeApplied(err) {
			inDoubt = sent
		}
		return err
	})
	if err != nil {
		return sent, c.whatFailed(op.document, began, err)
	}
	if err := json.Unmarshal(answer, data); err != nil {
		return sent, c.whatFailed(op.document, began, fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	return sent, nil
}

// try sends a signed request once and returns the data of the answer.
func (c *Client) try(ctx context.Context, op operation, body []byte) (json.RawMessage, error) {
	timeout := c.tryTimeout
	if op.pace.try > 0 {
		timeout = min(timeout, op.pace.try)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &silentError{timeout})
	defer cancel()
	req, err := c.newRequest(ctx, op, body)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return readAnswer(res, answer)
}

func (c *Client) newRequest(ctx context.Context, op operation, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/graphql-response+json, application/json;q=0.9")
	if op.unsigned {
		return req, nil
	}
	if c.certificate != "" {
		req.Header.Set("Authorization", c.certificate)
	}
	return req, signing.SignRequest(req, body, c.key, c.clock.now(), signing.NewNonce())
}

func bearer(der []byte) string { return "Bearer " + base64.StdEncoding.EncodeToString(der) }

func readAnswer(res *http.Response, body []byte) (json.RawMessage, error) {
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors wireErrors      `json:"errors"`
	}
	err := json.Unmarshal(body, &answer)
	ours := err == nil && len(answer.Errors) > 0 && (answer.Errors.code() != "" || !isPassing(res.StatusCode))
	switch {
	case ours:
		return nil, answer.Errors.error()
	case res.StatusCode == http.StatusOK && err == nil && len(answer.Data) > 0 && string(answer.Data) != "null":
		return answer.Data, nil
	case isPassing(res.StatusCode):
		return nil, &unreachableError{cause: errors.New(res.Status), retryAfter: retryAfter(res.Header)}
	case err != nil:
		return nil, fmt.Errorf("%w: HTTP status %s and no JSON: check that the URL is that of the GraphQL endpoint, which usually ends in /graphql", ErrProtocol, res.Status)
	default:
		return nil, fmt.Errorf("%w: HTTP status %s without data or errors", ErrProtocol, res.Status)
	}
}

// isPassing tells whether a status that came without an error of the service is
// that of a gateway or an overload, which may be gone at the next try.
func isPassing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64)
	if err != nil {
		return 0
	}
	return units(seconds, time.Second)
}

// units is a number from a server as a duration, which it may be too large for.
func units(n int64, unit time.Duration) time.Duration {
	return time.Duration(min(max(n, 0), int64(math.MaxInt64/unit))) * unit
}

// wireErrors are errors as GraphQL has them.
type wireErrors []struct {
	Message    string `json:"message"`
	Extensions struct {
		Code         Code      `json:"code"`
		Field        string    `json:"field"`
		Floor        Revision  `json:"floor"`
		RestoredHead Revision  `json:"restoredHead"`
		Erased       bool      `json:"erased"`
		RetryAfterMs int64     `json:"retryAfterMs"`
		ServerTime   time.Time `json:"serverTime"`
		Outcome      Outcome   `json:"outcome"`
	} `json:"extensions"`
}

func (w wireErrors) code() Code { return w[0].Extensions.Code }

// error is the first of the errors.
func (w wireErrors) error() error {
	first := w[0]
	x := first.Extensions
	return &Error{
		Code:         x.Code,
		Message:      first.Message,
		Field:        x.Field,
		Floor:        x.Floor,
		RestoredHead: x.RestoredHead,
		Erased:       x.Erased,
		RetryAfter:   units(x.RetryAfterMs, time.Millisecond),
		ServerTime:   x.ServerTime,
		Outcome:      x.Outcome,
	}
}
