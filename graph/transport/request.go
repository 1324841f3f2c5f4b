package transport

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"syncline/internal/budget"
)

// requestError refuses a request before its document was looked at.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return e.message }

func malformed(message string) *requestError {
	return &requestError{http.StatusBadRequest, message}
}

// readBody reads the parameters of a POST, and tells how many bytes they had.
func (t *Transports) readBody(w http.ResponseWriter, r *http.Request) (_ *graphql.RawParams, size int, _ *requestError) {
	if err := checkContentType(r.Header); err != nil {
		return nil, 0, err
	}
	params := &graphql.RawParams{Headers: r.Header}
	params.ReadTime.Start = graphql.Now()
	data, err := readAll(w, r, t.config.MaxRequestBytes)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, 0, &requestError{http.StatusRequestEntityTooLarge, "the request body is too large"}
	}
	if err != nil {
		return nil, 0, malformed("the request body could not be read")
	}
	end, err := t.turns.take(r.Context(), len(data))
	if err != nil {
		return nil, 0, malformed("the request was cancelled")
	}
	defer end()
	if !grow(budget.FromContext(r.Context()), data) {
		return nil, 0, &requestError{http.StatusServiceUnavailable, "no memory is left"}
	}
	fields, err := decodeObject(data, maxValues)
	if err != nil {
		return nil, 0, malformed("the request body is refused: " + err.Error())
	}
	if err := fill(params, fields); err != nil {
		return nil, 0, err
	}
	params.ReadTime.End = graphql.Now()
	return params, len(data), nil
}

// readAll reads a body, without a copy where it has been read already.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if read, ok := r.Body.(interface{ Take() []byte }); ok {
		data := read.Take()
		if int64(len(data)) > limit {
			return nil, &http.MaxBytesError{Limit: limit}
		}
		return data, nil
	}
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), maxHint)) + bytes.MinRead)
	_, err := data.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return data.Bytes(), err
}

// maxHint is how far a request's Content-Length is believed before the body is there.
const maxHint = 64 << 10

// checkContentType lets plain UTF-8 JSON pass.
func checkContentType(h http.Header) *requestError {
	var attributes map[string]string
	if given := h.Get("Content-Type"); given != mediaJSON {
		var mediaType string
		var err error
		mediaType, attributes, err = mime.ParseMediaType(given)
		if err != nil || mediaType != mediaJSON {
			return &requestError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
		}
	}
	if charset, ok := attributes["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return &requestError{http.StatusUnsupportedMediaType, "the charset must be utf-8"}
	}
	for _, encoding := range h.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return &requestError{http.StatusUnsupportedMediaType, "the request body must not be encoded"}
		}
	}
	return nil
}

// fill takes the parameters of GraphQL over HTTP out of a JSON object. Other
// names are left alone, as the protocol has it.
func fill(params *graphql.RawParams, fields map[string]any) *requestError {
	var ok bool
	if params.Extensions, ok = optional[map[string]any](fields["extensions"]); !ok {
		return malformed("extensions must be an object")
	}
	query, ok := fields["query"].(string)
	persisted := fields["query"] == nil && params.Extensions["persistedQuery"] != nil // which says it by its hash
	if !ok && !persisted {
		return malformed("query must be a string")
	}
	params.Query = query
	if params.OperationName, ok = optional[string](fields["operationName"]); !ok {
		return malformed("operationName must be a string")
	}
	params.OperationName = strings.Clone(params.OperationName)
	if params.Variables, ok = optional[map[string]any](fields["variables"]); !ok {
		return malformed("variables must be an object")
	}
	return nil
}

// optional is false where value is neither null nor a T.
func optional[T any](value any) (T, bool) {
	if value == nil {
		var zero T
		return zero, true
	}
	v, ok := value.(T)
	return v, ok
}

// readQuery reads the parameters of a GET.
func readQuery(r *http.Request) (*graphql.RawParams, *requestError) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("the query string cannot be read")
	}
	fields := map[string]any{}
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		if err := addField(fields, name, values[name]); err != nil {
			return nil, err
		}
	}
	params := &graphql.RawParams{Headers: r.Header}
	params.ReadTime.Start = graphql.Now()
	params.ReadTime.End = params.ReadTime.Start
	return params, fill(params, fields)
}

func addField(fields map[string]any, name string, values []string) *requestError {
	switch {
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return malformed(name + " is given twice")
	case !utf8.ValidString(values[0]):
		return malformed(name + " is not valid UTF-8")
	case name == "query" || name == "operationName":
		fields[name] = values[0]
		return nil
	}
	if values[0] == "" || values[0] == "null" {
		return nil
	}
	object, err := decodeObject([]byte(values[0]), maxValues)
	if err != nil {
		return malformed(name + " is refused: " + err.Error())
	}
	fields[name] = object
	return nil
}
