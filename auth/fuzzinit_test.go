package auth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/auth"
)

// FuzzInit: a payload of connection_init lets an owner in only if it carries
// what that owner signed for this connection, once.
func FuzzInit(f *testing.F) {
	v := readVectors(f)
	var upgrade vectorRequest
	honest := ""
	for _, c := range v.Accepted {
		if c.Kind == kindWebSocket && c.Server == publicServer && c.Query == "" && honest == "" {
			upgrade, honest = c.Request, c.Owner
			add(f, c.Request.Payload)
		}
	}
	for _, c := range v.Refused {
		if c.Kind == kindWebSocket && len(c.Before) == 0 {
			add(f, c.Request.Payload)
		}
	}
	if honest == "" {
		f.Fatal("no vector of a WebSocket")
	}
	authorities, err := auth.ParseAuthorities(authority)
	if err != nil {
		f.Fatal(err)
	}
	now := at(publicServer.Now)
	f.Fuzz(func(t *testing.T, text []byte) {
		var payload map[string]any
		if json.Unmarshal(text, &payload) != nil {
			return
		}
		verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(10, now), auth.Options{Now: now})
		p, err := verifier.VerifyInit(t.Context(), readRequest(t, upgrade), payload)
		var refusal *auth.Error
		switch {
		case err != nil && !errors.As(err, &refusal):
			t.Errorf("%v has no code", err)
		case err == nil && p.Key.String() != honest:
			t.Errorf("%s is let in, who signed nothing", p.Key)
		case err == nil:
			if _, err := verifier.VerifyInit(t.Context(), readRequest(t, upgrade), payload); err == nil {
				t.Error("let in twice")
			}
		}
	})
}

func add(f *testing.F, payload map[string]string) {
	text, err := json.Marshal(payload)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
}

// FuzzCertificate: no text serves as a certificate but one that the CA issued.
func FuzzCertificate(f *testing.F) {
	ca := newAuthority(f, "a")
	issued := encodeCertificate(ca.issue(f, certificateOf(77, at(created)())))
	f.Add("Bearer " + issued)
	f.Add("Bearer " + encodeCertificate(ca.cert))
	f.Add("Bearer " + encodeCertificate(newAuthority(f, "b").issue(f, certificateOf(77, at(created)()))))
	f.Add("Bearer " + issued[:len(issued)-4])
	f.Add("bearer  " + issued)
	f.Add("Basic QQ==")
	certificates, err := auth.NewCertificates(encodeCertificate(ca.cert), auth.CertificateOptions{Now: at(created)})
	if err != nil {
		f.Fatal(err)
	}
	authorities, err := auth.ParseAuthorities(authority)
	if err != nil {
		f.Fatal(err)
	}
	var signed vectorRequest
	for _, c := range readVectors(f).Accepted {
		if c.Kind == kindPost && c.Server == publicServer {
			signed = c.Request
		}
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		if strings.ContainsAny(authorization, "\r\n\x00") {
			return // no header
		}
		verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(10, at(publicServer.Now)), auth.Options{Now: at(publicServer.Now), Certificates: certificates})
		r := readRequest(t, signed)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		verifier.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		scheme, text, _ := strings.Cut(authorization, " ")
		if passed := w.Code == http.StatusOK; passed != (strings.EqualFold(scheme, "Bearer") && text == issued) {
			t.Errorf("passed: %v, with %q", passed, authorization)
		}
	})
}
