package transport

import (
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
	"syncline/graph/body"
	"syncline/internal/budget"
)

const (
	codeBadUserInput = "BAD_USER_INPUT"
	codeForbidden    = "FORBIDDEN"
	codeInternal     = "INTERNAL"
	codeRateLimited  = "RATE_LIMITED"
	codeUnavailable  = "UNAVAILABLE"

	mediaJSON    = "application/json"
	mediaGraphQL = "application/graphql-response+json"
)

// statuses of requests that failed as a whole, by the code of the error.
var statuses = map[string]int{
	"UNAUTHENTICATED":   http.StatusUnauthorized,
	"SIGNATURE_EXPIRED": http.StatusUnauthorized,
	"NONCE_REUSED":      http.StatusUnauthorized,
	codeForbidden:       http.StatusForbidden,
	codeRateLimited:     http.StatusTooManyRequests,
	codeUnavailable:     http.StatusServiceUnavailable,
	// A step of the protocol of persisted queries, not a failure.
	"PERSISTED_QUERY_NOT_FOUND": http.StatusOK,
}

// Values of headers that all answers share: code that sets another puts it in their
// place, and nobody writes into them.
var (
	contentTypes = map[string][]string{
		mediaJSON:    {mediaJSON + "; charset=utf-8"},
		mediaGraphQL: {mediaGraphQL + "; charset=utf-8"},
	}
	notStored = []string{"no-store"}
)

func coded(code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
}

func badInput(message string) *gqlerror.Error { return coded(codeBadUserInput, message) }

// unavailable asks the client to come back in a second, to a sibling or to the
// next process.
func unavailable() *gqlerror.Error {
	err := coded(codeUnavailable, "the server is shutting down")
	err.Extensions["retryAfterMs"] = 1000
	err.Extensions["outcome"] = "NOT_APPLIED"
	return err
}

func codeOf(errs gqlerror.List) string {
	if len(errs) == 0 {
		return ""
	}
	code, _ := errs[0].Extensions["code"].(string)
	return code
}

// refusalStatus is the status for a document that was not executed.
func refusalStatus(errs gqlerror.List, mediaType string) int {
	code := codeOf(errs)
	status, ok := statuses[code]
	switch {
	case ok:
		return status
	case mediaType == mediaGraphQL || code == codeBadUserInput:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// executionStatus is the status for a document that was executed, unless a
// middleware refused it. One failed field among several does not change it:
// the others may have been applied.
func executionStatus(resp *graphql.Response, op *ast.OperationDefinition) int {
	status, ok := statuses[codeOf(resp.Errors)]
	if !ok {
		return http.StatusOK
	}
	failedRoot := len(resp.Errors[0].Path) == 1 && countRootFields(op.SelectionSet) == 1
	if resp.Data == nil || failedRoot {
		return status
	}
	return http.StatusOK
}

func countRootFields(set ast.SelectionSet) int {
	count := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			count++
		case *ast.InlineFragment:
			count += countRootFields(s.SelectionSet)
		case *ast.FragmentSpread:
			count += countRootFields(s.Definition.SelectionSet)
		}
	}
	return count
}

// appendHead is all of a response before its data, which may be long and comes
// last; the bracket after it is left. Data is absent where nothing was
// executed, and null where execution came to nothing. It was written by this
// process, and goes out as it is.
func appendHead(buf []byte, resp *graphql.Response) []byte {
	buf = append(buf, '{')
	if len(resp.Errors) > 0 {
		buf = appendMember(buf, "errors", encode(resp.Errors))
	}
	if len(resp.Extensions) > 0 {
		buf = appendMember(buf, "extensions", encode(resp.Extensions))
	}
	if resp.Data != nil {
		buf = appendMember(buf, "data", nil)
	}
	return buf
}

func appendMember(buf []byte, name string, value []byte) []byte {
	if buf[len(buf)-1] != '{' {
		buf = append(buf, ',')
	}
	buf = append(buf, '"')
	buf = append(buf, name...)
	buf = append(buf, `":`...)
	return append(buf, value...)
}

// encode is json.Marshal for values that this process made, which do not fail.
func encode(value any) []byte {
	b, err := json.Marshal(value)
	if err != nil {
		return []byte("null")
	}
	return b
}

// negotiate chooses the media type of an answer. Whoever names neither of the
// two gets application/json.
func negotiate(accept []string) string {
	best, bestQuality := mediaJSON, 0.0
	if len(accept) == 1 && (accept[0] == mediaJSON || accept[0] == mediaGraphQL) {
		return accept[0]
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, attributes, err := mime.ParseMediaType(part)
		if err != nil || (mediaType != mediaJSON && mediaType != mediaGraphQL) {
			continue
		}
		quality := quality(attributes)
		if quality > bestQuality || (quality == bestQuality && quality > 0 && mediaType == mediaGraphQL) {
			best, bestQuality = mediaType, quality
		}
	}
	return best
}

func quality(attributes map[string]string) float64 {
	q, ok := attributes["q"]
	if !ok {
		return 1
	}
	quality, err := strconv.ParseFloat(q, 64)
	if err != nil {
		return 0
	}
	return quality
}

// answer sends a response that is written whole.
func (t *Transports) answer(w http.ResponseWriter, status int, mediaType string, resp *graphql.Response) {
	t.send(w, status, mediaType, resp, &body.Blobs{}, nil)
}

// send sends a response with what its data leaves out. Anything but success goes out as
// application/graphql-response+json, which tells clients that its body is ours
// and not a proxy's.
func (t *Transports) send(w http.ResponseWriter, status int, mediaType string, resp *graphql.Response, blobs *body.Blobs, grant *budget.Grant) {
	if status != http.StatusOK {
		mediaType = mediaGraphQL
	}
	header := w.Header()
	header["Content-Type"] = contentTypes[mediaType]
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		header.Set("Retry-After", strconv.Itoa(retryAfter(resp.Errors)))
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", auth.Challenge)
	}
	head := appendHead(nil, resp)
	size := len(head) + blobs.Len(resp.Data) + len(closingBracket)
	header.Set("Content-Length", strconv.Itoa(size))
	p := t.newPace(w)
	if size > maxPiece {
		grant.Watch(p.reader, p.cut)
	}
	w.WriteHeader(status)
	t.config.slow(blobs.Send(p, head, resp.Data, closingBracket)) // who is gone needs no answer
}

func (t *Transports) newPace(w http.ResponseWriter) *pace {
	return &pace{to: w, timeout: t.config.WriteTimeout, deadline: http.NewResponseController(w), reader: new(budget.Progress)}
}

var closingBracket = []byte{'}'}

// reject sends the answer to a request that never became an operation.
func (t *Transports) reject(w http.ResponseWriter, err *requestError) {
	told := badInput(err.message)
	if err.status == http.StatusServiceUnavailable {
		told = tooBusy(budget.ErrFull)
	}
	t.answer(w, err.status, mediaGraphQL, &graphql.Response{Errors: gqlerror.List{told}})
}

// retryAfter is what retryAfterMs of the first error says, in whole seconds.
func retryAfter(errs gqlerror.List) int {
	var ms float64
	switch v := errs[0].Extensions["retryAfterMs"].(type) {
	case int:
		ms = float64(v)
	case int64:
		ms = float64(v)
	case float64:
		ms = v
	}
	return max(1, int(math.Ceil(ms/1000)))
}

// noStore keeps answers out of caches. It is set before anything can go wrong,
// together with the type of what gqlgen sends by itself after a panic.
func noStore(w http.ResponseWriter) {
	header := w.Header()
	header["Cache-Control"], header["Content-Type"] = notStored, contentTypes[mediaGraphQL]
}
