package linearizability

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// instances are the servers of one deployment.
type instances struct {
	servers []*testservers.Syncline
	http    *http.Client
}

func newInstances(servers []*testservers.Syncline) *instances {
	return &instances{servers: servers, http: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// owner is one user of a deployment. Each call goes to any of its instances,
// once: nothing is tried again behind the history's back.
type owner struct {
	*instances
	key signing.PrivateKey
}

func newOwner(i *instances) (*owner, error) {
	key, err := signing.GenerateKey()
	return &owner{instances: i, key: key}, err
}

// apiError is a coded error of the API.
type apiError struct {
	Message    string
	Extensions struct{ Code, Outcome string }
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Extensions.Code, e.Extensions.Outcome, e.Message)
}

// judge tells what is known of an operation that failed so.
func (e *apiError) judge() error {
	switch {
	case e.Extensions.Code == "SIGNATURE_EXPIRED": // an instance that just started is strict
		return fmt.Errorf("%w: %w", errNotApplied, e)
	case e.Extensions.Code == "UNAVAILABLE" && e.Extensions.Outcome == "NOT_APPLIED":
		return fmt.Errorf("%w: %w", errNotApplied, e)
	case e.Extensions.Code == "UNAVAILABLE" && e.Extensions.Outcome == "UNKNOWN":
		return fmt.Errorf("%w: %w", errLost, e)
	}
	return e
}

// call sends a document to some instance and reads its data into out. Errors are
// errNotApplied, errLost or *apiError.
func (o *owner) call(ctx context.Context, document string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	url := o.servers[rand.IntN(len(o.servers))].URL()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, body, o.key, time.Now(), signing.NewNonce()); err != nil {
		return err
	}
	res, err := o.http.Do(req)
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return readAnswer(res.StatusCode, raw, out)
}

func readAnswer(status int, raw []byte, out any) error {
	var answer struct {
		Data   json.RawMessage
		Errors []*apiError
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("HTTP %d: %w in %.200q", status, err, raw)
	}
	if len(answer.Errors) > 0 {
		return answer.Errors[0].judge()
	}
	return json.Unmarshal(answer.Data, out)
}

// codeOf is the code of an error of the API, else empty.
func codeOf(err error) string {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.Extensions.Code
	}
	return ""
}
