package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncline/auth"
)

// listServer stands for the server at CRL_URL.
type listServer struct {
	mu     sync.Mutex
	status int
	body   func() io.Reader
	err    error
	hang   bool
}

func (l *listServer) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	status, body, err, hang := l.status, l.body, l.err, l.hang
	l.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Body: io.NopCloser(body())}, nil
}

func (l *listServer) serves(body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.body, l.err, l.hang = http.StatusOK, text(body), nil, false
}

func (l *listServer) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// revoking is a service with a list of revoked certificates, to be used in a
// synctest bubble.
type revoking struct {
	*service
	list         *listServer
	certificates *auth.Certificates
	ca           certificateAuthority
	log          *bytes.Buffer
}

func newRevoking(t *testing.T) revoking {
	t.Helper()
	r := revoking{list: new(listServer), ca: newAuthority(t, "a"), log: new(bytes.Buffer)}
	var err error
	r.certificates, err = auth.NewCertificates(encodeCertificate(r.ca.cert), auth.CertificateOptions{
		RevocationURL: "https://ca.example/revoked",
		Client:        &http.Client{Transport: r.list},
		Logger:        slog.New(slog.NewTextHandler(r.log, nil)),
		Now:           at(created),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.service = newService(t, nil, auth.Options{Certificates: r.certificates})
	return r
}

// codeFor is the code with which a certificate of this serial number is
// refused, empty if it is not.
func (r revoking) codeFor(t *testing.T, name string, serial *big.Int) string {
	t.Helper()
	template := certificateOf(0, time.Unix(created, 0))
	template.SerialNumber = serial
	req := newDraft(t, kindPost, name).request()
	return r.send(req.plus("Authorization", "Bearer "+encodeCertificate(r.ca.issue(t, template))))
}

func (r revoking) run(t *testing.T) {
	t.Helper()
	go r.certificates.Run(t.Context())
	synctest.Wait()
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	long, _ := new(big.Int).SetString("730750818665451459101842416358141509827966271487", 10)
	lists := map[string]struct {
		text    string
		revoked []*big.Int
		good    []*big.Int
	}{
		"none":           {"none", nil, []*big.Int{big.NewInt(1)}},
		"none, spaced":   {" none\n", nil, []*big.Int{big.NewInt(1)}},
		"one":            {"12", []*big.Int{big.NewInt(12)}, []*big.Int{big.NewInt(1), big.NewInt(2), big.NewInt(120)}},
		"some":           {"1,22,333", []*big.Int{big.NewInt(1), big.NewInt(22), big.NewInt(333)}, []*big.Int{big.NewInt(2)}},
		"spaced":         {" 1 ,\r\n22,\n333\n", []*big.Int{big.NewInt(1), big.NewInt(22), big.NewInt(333)}, nil},
		"leading zeros":  {"007,000", []*big.Int{big.NewInt(7)}, []*big.Int{big.NewInt(70)}},
		"beyond 64 bits": {long.String(), []*big.Int{long}, []*big.Int{new(big.Int).Add(long, big.NewInt(1))}},
	}
	for name, tt := range lists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRevoking(t)
				r.list.serves(tt.text)
				r.run(t)
				for _, serial := range tt.revoked {
					if got := r.codeFor(t, serial.String(), serial); got != string(auth.CodeForbidden) {
						t.Errorf("%v is revoked, but: %q", serial, got)
					}
				}
				for _, serial := range tt.good {
					if got := r.codeFor(t, serial.String(), serial); got != "" {
						t.Errorf("%v: %q", serial, got)
					}
				}
			})
		})
	}
}

// Nobody is let in on a list that nobody has seen.
func TestBadListAtFirst(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*listServer){
		"unreachable":     func(l *listServer) { l.err = errors.New("no route to host") },
		"not found":       func(l *listServer) { l.status, l.body = http.StatusNotFound, text("1,2") },
		"empty":           func(l *listServer) { l.status, l.body = http.StatusOK, text("") },
		"white space":     func(l *listServer) { l.status, l.body = http.StatusOK, text(" \n") },
		"another word":    func(l *listServer) { l.status, l.body = http.StatusOK, text("nothing") },
		"none and more":   func(l *listServer) { l.status, l.body = http.StatusOK, text("none,1") },
		"an error page":   func(l *listServer) { l.status, l.body = http.StatusOK, text("<html>") },
		"hexadecimal":     func(l *listServer) { l.status, l.body = http.StatusOK, text("1,ff") },
		"negative":        func(l *listServer) { l.status, l.body = http.StatusOK, text("-1") },
		"an empty entry":  func(l *listServer) { l.status, l.body = http.StatusOK, text("1,,2") },
		"cut off":         func(l *listServer) { l.status, l.body = http.StatusOK, func() io.Reader { return brokenReader{} } },
		"without end":     func(l *listServer) { l.status, l.body = http.StatusOK, func() io.Reader { return ones{} } },
		"never answering": func(l *listServer) { l.hang = true },
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRevoking(t)
				r.list.change(func() { fail(r.list) })
				r.run(t)
				pass(11 * time.Second) // past the time limit of a fetch
				if r.certificates.Ready() {
					t.Error("ready without a list")
				}
				if got := r.codeFor(t, "before", big.NewInt(7)); got != string(auth.CodeUnavailable) {
					t.Errorf("before the first list: %q", got)
				}
				if !strings.Contains(r.log.String(), "revoked") {
					t.Errorf("the log says %q", r.log)
				}

				r.list.serves("8")
				pass(15 * time.Second) // past the next attempt
				if !r.certificates.Ready() {
					t.Error("not ready with a list")
				}
				if got := r.codeFor(t, "good", big.NewInt(7)); got != "" {
					t.Errorf("good: %q", got)
				}
				if got := r.codeFor(t, "revoked", big.NewInt(8)); got != string(auth.CodeForbidden) {
					t.Errorf("revoked: %q", got)
				}
			})
		})
	}
}

func TestListIsRefreshedAndTheLastGoodOneKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevoking(t)
		r.list.serves("8")
		r.run(t)
		if r.log.Len() != 0 {
			t.Errorf("the log says %q", r.log)
		}
		p := connectAs(t, r, 9)

		r.list.change(func() { r.list.err = errors.New("no route to host") })
		pass(10 * time.Minute) // some failed refreshes
		if !r.certificates.Ready() || !strings.Contains(r.log.String(), "keeping_last=true") {
			t.Errorf("ready %v; the log says %q", r.certificates.Ready(), r.log)
		}
		if got := r.codeFor(t, "kept", big.NewInt(8)); got != string(auth.CodeForbidden) {
			t.Errorf("revoked on the last good list: %q", got)
		}
		if err := r.verifier.Recheck(p); err != nil {
			t.Errorf("a connection whose certificate is good: %v", err)
		}

		r.list.serves("9")
		pass(2 * time.Minute) // past the next refresh
		isRefused(t, r.verifier.Recheck(p), auth.CodeForbidden)
		if got := r.codeFor(t, "pardoned", big.NewInt(8)); got != "" {
			t.Errorf("no longer on the list: %q", got)
		}
	})
}

// What is no list after one that was lifts no revocation. It does not last for ever.
func TestAnEmptyAnswerLiftsNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"empty": "", "white space": "\n", "an error page": "<html>"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRevoking(t)
				r.list.serves("8")
				r.run(t)
				p := connectAs(t, r, 9)
				r.list.serves(answer)
				pass(23 * time.Hour)
				if got := r.codeFor(t, "kept", big.NewInt(8)); got != string(auth.CodeForbidden) || !r.certificates.Ready() {
					t.Errorf("revoked on the last good list: %q; ready: %v", got, r.certificates.Ready())
				}
				pass(2 * time.Hour)
				if r.certificates.Ready() {
					t.Error("ready with a list that is older than a day")
				}
				for serial := range int64(2) {
					if got := r.codeFor(t, fmt.Sprint("old ", serial), big.NewInt(8+serial)); got != string(auth.CodeUnavailable) {
						t.Errorf("by a list that is older than a day: %q", got)
					}
				}
				isRefused(t, r.verifier.Recheck(p), auth.CodeUnavailable)

				r.list.serves("none")
				pass(time.Minute)
				if got := r.codeFor(t, "lifted", big.NewInt(8)); got != "" || !r.certificates.Ready() {
					t.Errorf("with the word none: %q; ready: %v", got, r.certificates.Ready())
				}
			})
		})
	}
}

// The URL may be a secret: its user, its password, and a token in its query.
func TestTheListsURLIsNotLogged(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*http.Request) (*http.Response, error){
		"unreachable": func(r *http.Request) (*http.Response, error) {
			return nil, errors.New("no route to host for " + r.URL.String())
		},
		"not found": func(*http.Request) (*http.Response, error) { return answer(http.StatusNotFound, ""), nil },
		"a redirect that cannot be read": func(r *http.Request) (*http.Response, error) {
			res := answer(http.StatusFound, "")
			res.Header = http.Header{"Location": {"%zz?" + r.URL.RawQuery}}
			return res, nil
		},
		"redirects without end": func(r *http.Request) (*http.Response, error) {
			res := answer(http.StatusFound, "")
			res.Header, res.Request = http.Header{"Location": {r.URL.String()}}, r
			return res, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				certificates, err := auth.NewCertificates(encodeCertificate(newAuthority(t, "a").cert), auth.CertificateOptions{
					RevocationURL: "https://robot:s3cret@ca.example/revoked?token=s3same",
					Client:        &http.Client{Transport: roundTripper(fail)},
					Logger:        slog.New(slog.NewTextHandler(&log, nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				go certificates.Run(t.Context())
				synctest.Wait()
				if !strings.Contains(log.String(), "ca.example") {
					t.Errorf("the log does not say from where: %s", &log)
				}
				for _, secret := range []string{"robot", "s3cret", "s3same", "cm9ib3Q"} {
					if strings.Contains(log.String(), secret) {
						t.Errorf("the log shows %s: %s", secret, &log)
					}
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}

func connectAs(t *testing.T, r revoking, serial int64) auth.Principal {
	t.Helper()
	cert := r.ca.issue(t, certificateOf(serial, time.Unix(created, 0)))
	return connect(t, r.service, "as", "Bearer "+encodeCertificate(cert))
}

func text(s string) func() io.Reader {
	return func() io.Reader { return strings.NewReader(s) }
}

// pass lets time pass in a synctest bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '1'
	}
	return len(p), nil
}
