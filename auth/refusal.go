package auth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Code is the machine-readable reason of a refusal: extensions.code of the
// error that goes to the client.
type Code string

// The codes with which this package refuses.
const (
	CodeUnauthenticated  Code = "UNAUTHENTICATED"   // no signature, or one that does not verify
	CodeSignatureExpired Code = "SIGNATURE_EXPIRED" // created too long ago, or too far ahead
	CodeNonceReused      Code = "NONCE_REUSED"      // this key's nonce was seen before
	CodeForbidden        Code = "FORBIDDEN"         // the API-key certificate
	CodeBadUserInput     Code = "BAD_USER_INPUT"    // a body too large, encoded or cut off
	CodeRateLimited      Code = "RATE_LIMITED"      // too much was asked for; try again later
	CodeUnavailable      Code = "UNAVAILABLE"       // cannot tell now; try again
)

// Error is a refusal. Message and the extensions are meant for the client; what
// Unwrap gives is not.
type Error struct {
	Code    Code
	Message string
	Status  int // of the HTTP response

	// ServerTime goes with CodeSignatureExpired: the time to correct a clock by.
	ServerTime time.Time
	// RetryAfter goes with CodeUnavailable and CodeRateLimited.
	RetryAfter time.Duration
	// Authority and Path go with a signature that does not belong to its request:
	// what the server took for the request's.
	Authority, Path string

	cause error
}

// Error is the message and, if something inside failed, what it was: for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap is what failed inside, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Challenge is the WWW-Authenticate header of an answer with status 401, which
// HTTP asks for. No scheme is registered for message signatures; browsers leave
// one that they do not know to the page.
const Challenge = `Signature realm="syncline"`

// dateTime is the API's form of a time: RFC 3339, UTC, microseconds.
const dateTime = "2006-01-02T15:04:05.000000Z"

// Extensions are those of the error that goes to the client.
func (e *Error) Extensions() map[string]any {
	ext := map[string]any{"code": string(e.Code)}
	if !e.ServerTime.IsZero() {
		ext["serverTime"] = e.ServerTime.UTC().Format(dateTime)
	}
	if e.Code == CodeUnavailable || e.Code == CodeRateLimited {
		ext["retryAfterMs"] = e.RetryAfter.Milliseconds()
	}
	if e.Authority != "" {
		ext["authority"], ext["path"] = e.Authority, e.Path
	}
	if e.Code == CodeUnavailable {
		ext["outcome"] = "NOT_APPLIED" // nothing is done before verification
	}
	return ext
}

// Close codes of the WebSocket.
const (
	closeForbidden     = 4403 // graphql-transport-ws: Forbidden
	closeRateLimited   = 4429
	closeTryAgainLater = 1013

	maxReason = 123 // bytes
)

// Close is the code and the reason with which a WebSocket connection that is
// refused so is closed. The reason is a small JSON object with code and, where
// there is one, serverTime, retryAfterMs or, if they are short, authority and path.
func (e *Error) Close() (code int, reason string) {
	body := struct {
		Code       Code   `json:"code"`
		ServerTime string `json:"serverTime,omitempty"`
		RetryAfter int64  `json:"retryAfterMs,omitempty"`
		Authority  string `json:"authority,omitempty"`
		Path       string `json:"path,omitempty"`
	}{Code: e.Code, RetryAfter: e.RetryAfter.Milliseconds()}
	if !e.ServerTime.IsZero() {
		body.ServerTime = e.ServerTime.UTC().Format(dateTime)
	}
	text, _ := json.Marshal(body) // text and a number: cannot fail
	body.Authority, body.Path = e.Authority, e.Path
	if longer, _ := json.Marshal(body); len(longer) <= maxReason {
		text = longer
	}
	switch e.Code {
	case CodeUnavailable:
		return closeTryAgainLater, string(text)
	case CodeRateLimited:
		return closeRateLimited, string(text)
	default:
		return closeForbidden, string(text)
	}
}

// ServeHTTP answers a request with the refusal.
func (e *Error) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	type graphError struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	}
	h := w.Header()
	h.Set("Content-Type", "application/graphql-response+json")
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Challenge)
	}
	w.WriteHeader(e.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)                // for who reads the messages
	_ = encoder.Encode(map[string][]graphError{ // the client may be gone
		"errors": {{Message: e.Message, Extensions: e.Extensions()}},
	})
}

// Unsigned is the refusal of a request that needs a signature and has none.
func Unsigned() *Error {
	return unauthenticated("this request needs a signature: see Signature-Input and Signature in the README")
}

func unauthenticated(message string) *Error {
	return &Error{Code: CodeUnauthenticated, Message: message, Status: http.StatusUnauthorized}
}

func expired(message string, serverTime time.Time) *Error {
	return &Error{
		Code: CodeSignatureExpired, Message: message, Status: http.StatusUnauthorized,
		ServerTime: serverTime,
	}
}

func nonceReused() *Error {
	return &Error{
		Code:    CodeNonceReused,
		Message: "this nonce was used before with this key: sign each request anew, with a fresh nonce",
		Status:  http.StatusUnauthorized,
	}
}

func forbidden(message string) *Error {
	return &Error{Code: CodeForbidden, Message: message, Status: http.StatusForbidden}
}

// RateLimited is the refusal of a request, or of a connection, over a limit that is
// the client's own. Nothing was done, and the same may be tried after a time.
func RateLimited(message string, retryAfter time.Duration) *Error {
	return &Error{Code: CodeRateLimited, Message: message, Status: http.StatusTooManyRequests, RetryAfter: retryAfter}
}

func badInput(status int, message string) *Error {
	return &Error{Code: CodeBadUserInput, Message: message, Status: status}
}

func unavailable(message string, cause error) *Error {
	return &Error{
		Code: CodeUnavailable, Message: message, Status: http.StatusServiceUnavailable,
		RetryAfter: retryAfter, cause: cause,
	}
}

// retryAfter is long enough for a brief outage, and short for one that lasts.
const retryAfter = 2 * time.Second
