package auth_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
)

var update = flag.Bool("update", false, "write testdata/vectors/signing.json anew")

const vectorsPath = "../testdata/vectors/signing.json"

// The format is described in testdata/vectors/README.md.
type (
	vectors struct {
		About    string           `json:"about"`
		Accepted []acceptedVector `json:"accepted"`
		Refused  []refusedVector  `json:"refused"`
	}
	acceptedVector struct {
		Name           string        `json:"name"`
		Kind           string        `json:"kind"`
		PrivateKey     string        `json:"privateKey"`
		Method         string        `json:"method"`
		Authority      string        `json:"authority"`
		Path           string        `json:"path"`
		Query          string        `json:"query"`
		Body           []byte        `json:"body"`
		Created        int64         `json:"created"`
		Nonce          string        `json:"nonce"`
		BaseText       string        `json:"baseText"`
		ContentDigest  string        `json:"contentDigest"`
		SignatureInput string        `json:"signatureInput"`
		Signature      string        `json:"signature"`
		Owner          string        `json:"owner"`
		Server         vectorServer  `json:"server"`
		Request        vectorRequest `json:"request"`
	}
	refusedVector struct {
		Name       string          `json:"name"`
		Kind       string          `json:"kind"`
		Server     vectorServer    `json:"server"`
		Before     []vectorRequest `json:"before,omitempty"`
		Request    vectorRequest   `json:"request"`
		Code       string          `json:"code"`
		HTTPStatus int             `json:"httpStatus,omitempty"`
		CloseCode  int             `json:"closeCode,omitempty"`
	}
	vectorServer struct {
		Now               int64  `json:"now"`
		StartedAt         int64  `json:"startedAt,omitempty"`
		PublicAuthorities string `json:"publicAuthorities"`
		CACert            string `json:"caCert,omitempty"`
	}
	vectorRequest struct {
		Method  string            `json:"method"`
		Target  string            `json:"target"`
		Headers [][2]string       `json:"headers"`
		Body    []byte            `json:"body"`
		Payload map[string]string `json:"payload,omitempty"`
	}
)

// TestVectorsAreCurrent is not parallel: it may write what the others read.
func TestVectorsAreCurrent(t *testing.T) {
	made := encodeVectors(t, makeVectors(t))
	if *update {
		if err := os.WriteFile(vectorsPath, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Error("signing.json is not what the cases make: go test ./auth -run TestVectorsAreCurrent -update")
	}
}

func TestVectorsAreEnough(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	if len(v.Accepted) < 25 || len(v.Refused) < 60 {
		t.Errorf("%d accepted and %d refused cases, want at least 25 and 60", len(v.Accepted), len(v.Refused))
	}
	names, kinds, headerBytes := map[string]bool{}, map[string]int{}, map[byte]bool{}
	for _, c := range v.Accepted {
		names[c.Name] = true
		kinds[c.Kind+" accepted"]++
		sig, err := base64.StdEncoding.DecodeString(c.Signature[len("sig=:") : len(c.Signature)-1])
		if err != nil {
			t.Fatal(err)
		}
		headerBytes[sig[0]] = true
	}
	codes := map[string]int{}
	for _, c := range v.Refused {
		names[c.Name] = true
		kinds[c.Kind+" refused"]++
		codes[c.Code]++
	}
	if len(names) != len(v.Accepted)+len(v.Refused) {
		t.Error("two cases have the same name")
	}
	for _, kind := range []string{kindPost, kindGet, kindWebSocket} {
		if kinds[kind+" accepted"] < 3 || kinds[kind+" refused"] < 3 {
			t.Errorf("%s: too few cases: %v", kind, kinds)
		}
	}
	for _, code := range []auth.Code{auth.CodeUnauthenticated, auth.CodeSignatureExpired, auth.CodeNonceReused, auth.CodeForbidden, auth.CodeBadUserInput} {
		if codes[string(code)] == 0 {
			t.Errorf("no case is refused with %s", code)
		}
	}
	if !headerBytes[31] || !headerBytes[32] {
		t.Errorf("signatures begin with %v, want both 31 and 32", headerBytes)
	}
}

func TestAcceptedVectorsAreSignedSo(t *testing.T) {
	t.Parallel()
	for _, c := range readVectors(t).Accepted {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			key, err := signing.ParsePrivateKey(c.PrivateKey)
			if err != nil {
				t.Fatal(err)
			}
			nonce, err := signing.ParseNonce(c.Nonce)
			if err != nil {
				t.Fatal(err)
			}
			m := clientMessage(t, c)
			params := signing.Params{Created: c.Created, Nonce: nonce, KeyID: key.Public()}
			if got := m.BaseText(params); got != c.BaseText {
				t.Errorf("base text\n%s\nwant\n%s", got, c.BaseText)
			}
			if m.ContentDigest != c.ContentDigest {
				t.Errorf("Content-Digest %q, want %q", m.ContentDigest, c.ContentDigest)
			}
			h, err := m.Sign(key, time.Unix(c.Created, 0), nonce)
			if err != nil {
				t.Fatal(err)
			}
			if h.SignatureInput != c.SignatureInput || h.Signature != c.Signature {
				t.Errorf("signed %+v, want %q, %q", h, c.SignatureInput, c.Signature)
			}
		})
	}
}

// clientMessage is what a client signs that has the URL and the body.
func clientMessage(t *testing.T, c acceptedVector) signing.Message {
	t.Helper()
	rawURL := "https://" + c.Authority + c.Path + c.Query
	if c.Kind == kindWebSocket {
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		m, err := signing.WebSocketMessage(u)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	req, err := http.NewRequest(c.Method, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := signing.RequestMessage(req, c.Body)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAcceptedVectorsPass(t *testing.T) {
	t.Parallel()
	for _, c := range readVectors(t).Accepted {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got := newVectorRun(t, c.Server).send(c.Kind, c.Request)
			if got.code != "" || got.owner != c.Owner {
				t.Fatalf("got %+v, want owner %s", got, c.Owner)
			}
			if c.Kind != kindWebSocket && !bytes.Equal(got.body, c.Body) {
				t.Errorf("the next handler read %q, want %q", got.body, c.Body)
			}
		})
	}
}

func TestRefusedVectorsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range readVectors(t).Refused {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			run := newVectorRun(t, c.Server)
			for _, before := range c.Before {
				if got := run.send(c.Kind, before); got.code != "" {
					t.Fatalf("the request before was refused: %+v", got)
				}
			}
			got := run.send(c.Kind, c.Request)
			if got.code != c.Code || got.status != c.HTTPStatus || got.closeCode != c.CloseCode {
				t.Errorf("got %+v, want %s with status %d or close code %d", got, c.Code, c.HTTPStatus, c.CloseCode)
			}
			if got.owner != "" {
				t.Error("the next handler was reached")
			}
		})
	}
}

// vectorRun is a server as a case has it.
type vectorRun struct {
	t        testing.TB
	verifier *auth.Verifier
}

type vectorResult struct {
	owner     string // set if the next handler was reached
	body      []byte
	code      string
	status    int
	closeCode int
}

func newVectorRun(t testing.TB, s vectorServer) vectorRun {
	t.Helper()
	now := func() time.Time { return time.Unix(s.Now, 0) }
	authorities, err := auth.ParseAuthorities(s.PublicAuthorities)
	if err != nil {
		t.Fatal(err)
	}
	opts := auth.Options{Now: now}
	if s.StartedAt != 0 {
		opts.RefuseBefore = time.Unix(s.StartedAt, 0)
	}
	if s.CACert != "" {
		opts.Certificates, err = auth.NewCertificates(s.CACert, auth.CertificateOptions{Now: now})
		if err != nil {
			t.Fatal(err)
		}
	}
	return vectorRun{t, auth.NewVerifier(authorities, auth.NewMemoryNonces(100, now), opts)}
}

func (run vectorRun) send(kind string, r vectorRequest) vectorResult {
	run.t.Helper()
	req := readRequest(run.t, r)
	if kind == kindWebSocket {
		return run.sendInit(req, r.Payload)
	}
	var result vectorResult
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, ok := auth.FromContext(r.Context())
		if !ok {
			run.t.Error("the next handler found no Principal")
		}
		result.owner = p.Key.String()
		result.body, _ = io.ReadAll(r.Body)
	})
	w := httptest.NewRecorder()
	run.verifier.Middleware(next).ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		result.status, result.code = w.Code, errorCode(run.t, w)
	}
	return result
}

func (run vectorRun) sendInit(upgrade *http.Request, payload map[string]string) vectorResult {
	values := make(map[string]any)
	for name, value := range payload {
		values[name] = value
	}
	p, err := run.verifier.VerifyInit(run.t.Context(), upgrade, values)
	if err == nil {
		return vectorResult{owner: p.Key.String()}
	}
	var refusal *auth.Error
	if !errors.As(err, &refusal) {
		run.t.Fatalf("%v is not an *auth.Error", err)
	}
	closeCode, _ := refusal.Close()
	return vectorResult{code: string(refusal.Code), closeCode: closeCode}
}

// readRequest makes of a case's request what a server makes of its bytes.
func readRequest(t testing.TB, r vectorRequest) *http.Request {
	t.Helper()
	raw := bytes.NewReader(rawRequest(r))
	req, err := http.ReadRequest(bufio.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return req.WithContext(t.Context())
}

// errorCode checks the form of a refusal and gives its code.
func errorCode(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if len(answer.Errors) != 1 || answer.Errors[0].Message == "" {
		t.Errorf("the answer is %s", w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/graphql-response+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := w.Header().Get("WWW-Authenticate"); (got != "") != (w.Code == http.StatusUnauthorized) {
		t.Errorf("status %d with WWW-Authenticate %q", w.Code, got)
	}
	return answer.Errors[0].Extensions.Code
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func encodeVectors(t *testing.T, v vectors) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
