// Package e2e tests the service as its users meet it: the real binary as a
// process of its own, reached over real connections.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// long runs are for make verify; make test runs the same tests, shorter.
var long = os.Getenv("SYNCLINE_VERIFY") != ""

// device is one of an owner's devices. It signs, and does nothing else that a
// client library would: no retry, no clock correction.
type device struct {
	url   string
	key   signing.PrivateKey
	http  *http.Client
	ahead time.Duration // of its clock
}

func newDevice(url string, key signing.PrivateKey) *device {
	return &device{url: url, key: key, http: &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 4},
	}}
}

// answer is a GraphQL response.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
}

// refusal is an error that the service answered.
type refusal struct {
	status     int
	message    string
	extensions map[string]any
}

func (r *refusal) Error() string {
	return fmt.Sprintf("HTTP %d: %s (%v)", r.status, r.message, r.extensions)
}

func (r *refusal) text(extension string) string {
	s, _ := r.extensions[extension].(string)
	return s
}

// call sends a document and reads its data into out. An error is a *refusal, or
// else no answer came and the outcome is unknown.
func (d *device) call(ctx context.Context, document string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, body, d.key, time.Now().Add(d.ahead), signing.NewNonce()); err != nil {
		return err
	}
	res, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("HTTP %d: %w in %.200q", res.StatusCode, err, raw)
	}
	if len(a.Errors) > 0 {
		return &refusal{status: res.StatusCode, message: a.Errors[0].Message, extensions: a.Errors[0].Extensions}
	}
	return json.Unmarshal(a.Data, out)
}

// stored is a record as the API tells it.
type stored struct {
	ID       string `json:"id"`
	Data     []byte `json:"data"`
	Revision int64  `json:"revision"`
	Deleted  bool   `json:"deleted"`
}

type page struct {
	Records []stored `json:"records"`
	Cursor  string   `json:"cursor"`
	HasMore bool     `json:"hasMore"`
	Head    int64    `json:"head"`
}

// walk reads an owner's whole feed after a cursor.
func (d *device) walk(ctx context.Context, since string) (records []stored, head int64, err error) {
	for {
		var out struct{ Changes page }
		err := d.call(ctx, `query($since: Cursor) { changes(since: $since, first: 1000) {
			records { id data revision deleted } cursor hasMore head } }`, map[string]any{"since": since}, &out)
		if err != nil {
			return nil, 0, err
		}
		records = append(records, out.Changes.Records...)
		if since = out.Changes.Cursor; !out.Changes.HasMore {
			return records, out.Changes.Head, nil
		}
	}
}

// outcome is what a write came to.
type outcome struct {
	Status      string
	NewRevision int64
	Record      *stored
	Replayed    bool
}
