package transport_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"syncline/graph/object"
	"syncline/graph/transport"
)

const (
	mediaJSON    = "application/json; charset=utf-8"
	mediaGraphQL = "application/graphql-response+json; charset=utf-8"
)

func TestPostNegotiates(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	for _, c := range []struct{ name, accept, want string }{
		{"nothing", "", mediaJSON},
		{"anything", "*/*", mediaJSON},
		{"json", "application/json", mediaJSON},
		{"graphql", "application/graphql-response+json", mediaGraphQL},
		{"Apollo", "application/graphql-response+json,application/json;q=0.9", mediaGraphQL},
		{"urql", "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", mediaGraphQL},
		{"json first by quality", "application/graphql-response+json;q=0.5, application/json", mediaJSON},
		{"both alike", "application/json, application/graphql-response+json", mediaGraphQL},
		{"refused by quality 0", "application/graphql-response+json;q=0", mediaJSON},
		{"neither", "text/html", mediaJSON},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := f.post(`{ lock(name: "a") { name } }`, "Accept", c.accept)
			if got.status != http.StatusOK || got.body != `{"data":{"lock":{"name":"a"}}}` {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if media := got.header.Get("Content-Type"); media != c.want {
				t.Errorf("got %s, want %s", media, c.want)
			}
			if cache := got.header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("Cache-Control: %q", cache)
			}
		})
	}
}

// TestMalformed holds for every way in that reads a body.
func TestMalformed(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxRequestBytes: 50_000})
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	cases := []struct {
		name, body string
		status     int
		header     []string
	}{
		{"nothing", ``, 400, nil},
		{"not JSON", `{"query":`, 400, nil},
		{"an array", `[{"query":"{__typename}"}]`, 400, nil},
		{"a string", `"{__typename}"`, 400, nil},
		{"null", `null`, 400, nil},
		{"two objects", `{"query":"{__typename}"}{"query":"{__typename}"}`, 400, nil},
		{"something after it", `{"query":"{__typename}"} x`, 400, nil},
		{"missing comma", `{"query":"{__typename}" "variables":{}}`, 400, nil},
		{"wrong bracket", `{"query":"{__typename}","variables":{]}`, 400, nil},
		{"a name twice", `{"query":"{__typename}","query":"{__typename}"}`, 400, nil},
		{"a variable twice", `{"query":"{__typename}","variables":{"a":1,"a":2}}`, 400, nil},
		{"not UTF-8", "{\"query\":\"{__typename} #\xff\"}", 400, nil},
		{"half a surrogate", `{"query":"{__typename}","variables":{"a":"\ud800"}}`, 400, nil},
		{"surrogates in wrong order", `{"query":"{__typename}","variables":{"a":"\udc00\ud800"}}`, 400, nil},
		{"half a surrogate before an escape", `{"query":"{__typename}","variables":{"a":"\ud800\\udc00"}}`, 400, nil},
		{"deep", `{"query":"{__typename}","variables":` + deep + `}`, 400, nil},
		{"deep array", `{"query":"{__typename}","variables":` + strings.Repeat("[", 5000), 400, nil},
		{"no query", `{"variables":{}}`, 400, nil},
		{"query null", `{"query":null}`, 400, nil},
		{"query a number", `{"query":1}`, 400, nil},
		{"variables a list", `{"query":"{__typename}","variables":[]}`, 400, nil},
		{"variables text", `{"query":"{__typename}","variables":"{}"}`, 400, nil},
		{"operationName a number", `{"query":"{__typename}","operationName":1}`, 400, nil},
		{"extensions text", `{"query":"{__typename}","extensions":"{}"}`, 400, nil},
		{"number out of range", `{"query":"{ changes(since: 99999999999999999999) { head } }"}`, 400, nil},
		{"too many values", `{"query":"{__typename}","variables":{"a":[` + strings.Repeat(`0,`, 20_000) + `0]}}`, 400, nil},
		{"too many empty objects", `{"query":"{__typename}","variables":{"a":[` + strings.Repeat(`{"":0},`, 6_667) + `0]}}`, 400, nil},
		{"too large", `{"query":"{__typename}` + strings.Repeat(" ", 50_000) + `"}`, 413, nil},
		{"a form", `query={__typename}`, 415, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"no type", `{"query":"{__typename}"}`, 415, []string{"Content-Type", ""}},
		{"another charset", `{"query":"{__typename}"}`, 415, []string{"Content-Type", "application/json; charset=latin1"}},
		{"encoded", `{"query":"{__typename}"}`, 415, []string{"Content-Encoding", "gzip"}},
		{"encoded twice", `{"query":"{__typename}"}`, 415, []string{"Content-Encoding", "identity, gzip"}},
	}
	if got := f.do(f.request(`{"query":"{__typename}"}`, "Content-Encoding", "Identity")); got.status != 200 {
		t.Errorf("identity, which is no encoding: %d %s", got.status, got.body)
	}
	for _, accept := range []string{"application/json", "application/graphql-response+json", "text/event-stream"} {
		for _, c := range cases {
			t.Run(accept+" "+c.name, func(t *testing.T) {
				t.Parallel()
				got := f.do(f.request(c.body, append([]string{"Accept", accept}, c.header...)...))
				if got.status != c.status || got.code(t) != "BAD_USER_INPUT" {
					t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
				}
				if strings.Contains(got.body, `"data"`) {
					t.Errorf("data in %s", got.body)
				}
				if media := got.header.Get("Content-Type"); media != mediaGraphQL {
					t.Errorf("Content-Type: %s", media)
				}
				if cache := got.header.Get("Cache-Control"); cache != "no-store" {
					t.Errorf("Cache-Control: %q", cache)
				}
			})
		}
	}
}

func TestAcceptedBodies(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	for _, c := range []struct{ name, body, want string }{
		{"nulls", `{"query":"{__typename}","variables":null,"operationName":null,"extensions":null}`, `{"data":{"__typename":"Query"}}`},
		{"unknown names", `{"query":"{__typename}","id":"1"}`, `{"data":{"__typename":"Query"}}`},
		{"escaped astral character", `{"query":"query($n: String!) {lock(name:$n){name}}","variables":{"n":"\ud83c\udfc3"}}`, `{"data":{"lock":{"name":"🏃"}}}`},
		{"escaped backslash", `{"query":"query($n: String!) {lock(name:$n){name}}","variables":{"n":"\\ud800"}}`, `{"data":{"lock":{"name":"\\ud800"}}}`},
		{"space around", " \n{\"query\":\"{__typename}\"}\n ", `{"data":{"__typename":"Query"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := f.do(f.request(c.body)); got.status != 200 || got.body != c.want {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

func TestRefusedDocuments(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	for name, query := range map[string]string{
		"does not parse":         `{`,
		"empty":                  ``,
		"unknown field":          `{ nothing }`,
		"variable missing":       `query($n: String!) { lock(name: $n) { name } }`,
		"fragments in a circle":  `{ ...a } fragment a on Query { ...a }`,
		"two anonymous queries":  `{ __typename } { __typename }`,
		"argument of wrong type": `{ lock(name: 1) { name } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for accept, status := range map[string]int{
				"application/json": 200, "": 200, "application/graphql-response+json": 400,
			} {
				got := f.post(query, "Accept", accept)
				if got.status != status || strings.Contains(got.body, `"data"`) || got.code(t) == "" {
					t.Errorf("%s: got %d %s, want %d", accept, got.status, got.body, status)
				}
			}
		})
	}
}

func TestValueRefusedByScalar(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	query := `mutation { setRecord(input: {id: "a", data: "not base64!", revision: 0}) { status } }`
	for _, accept := range []string{"application/json", "application/graphql-response+json"} {
		got := f.post(query, "Accept", accept)
		if got.status != 200 || !strings.HasSuffix(got.body, `"data":null}`) {
			t.Errorf("%s: got %d %s", accept, got.status, got.body)
		}
	}
}

func TestStatusOfCodes(t *testing.T) {
	t.Parallel()
	failing := func(code string) *api {
		err := codedError{code, map[string]any{"retryAfterMs": 2500}}
		return &api{
			lock: func(_ context.Context, name string) (*object.Lock, error) {
				if name == "good" {
					return &object.Lock{Name: name}, nil
				}
				return nil, err
			},
			record: func(context.Context, string) (*object.Record, error) { return nil, err },
		}
	}
	const (
		only     = `{ lock(name: "a") { name } }`
		nullable = `{ record(id: "a") { id } }`
		inside   = `{ ...f } fragment f on Query { lock(name: "a") { name } }`
		oneOfTwo = `{ record(id: "a") { id } lock(name: "good") { name } }`
		nulled   = `{ good: lock(name: "good") { name } bad: lock(name: "a") { name } }`
	)
	for _, c := range []struct {
		code, query string
		status      int
		retryAfter  string
	}{
		{"UNAUTHENTICATED", only, 401, ""},
		{"SIGNATURE_EXPIRED", only, 401, ""},
		{"NONCE_REUSED", only, 401, ""},
		{"FORBIDDEN", only, 403, ""},
		{"RATE_LIMITED", only, 429, "3"},
		{"UNAVAILABLE", only, 503, "3"},
		{"UNAVAILABLE", nullable, 503, "3"},
		{"UNAVAILABLE", inside, 503, "3"},
		{"UNAVAILABLE", oneOfTwo, 200, ""},
		{"UNAVAILABLE", nulled, 200, ""},
		{"BAD_USER_INPUT", only, 200, ""},
		{"CURSOR_TOO_OLD", only, 200, ""},
		{"INTERNAL", only, 200, ""},
	} {
		t.Run(c.code+" "+c.query, func(t *testing.T) {
			t.Parallel()
			got := serve(t, failing(c.code), transport.Config{}).post(c.query)
			if got.status != c.status || got.code(t) != c.code {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
			if after := got.header.Get("Retry-After"); after != c.retryAfter {
				t.Errorf("Retry-After: %q, want %q", after, c.retryAfter)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if media := got.header.Get("Content-Type"); c.status != 200 && media != mediaGraphQL {
				t.Errorf("Content-Type: %s", media)
			}
		})
	}
}

// TestRefusedBeforeFields holds for whatever refuses a document, and for any Accept.
func TestRefusedBeforeFields(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	const query, subscription = `query %s { __typename }`, `subscription %s { lockChanged(name: \"a\") { name } }`
	for _, c := range []struct{ accept, document string }{
		{"application/json", query},
		{"application/graphql-response+json", query},
		{"text/event-stream", query},
		{"text/event-stream", subscription},
	} {
		for _, name := range []string{"Early", "Late"} {
			body := `{"query":"` + strings.Replace(c.document, "%s", name, 1) + `"}`
			got := f.do(f.request(body, "Accept", c.accept))
			if got.status != 401 || got.code(t) != "UNAUTHENTICATED" || strings.Contains(got.body, `"data"`) {
				t.Errorf("%s, %s: got %d %s", c.accept, body, got.status, got.body)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "BREW"} {
		r := f.request(`{"query":"{__typename}"}`)
		r.Method = method
		got := f.do(r)
		if got.status != 405 || got.code(t) != "BAD_USER_INPUT" || got.header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: got %d %s", method, got.status, got.body)
		}
	}
	if got := f.post(`subscription { lockChanged(name: "a") { name } }`); got.status != 400 || got.code(t) != "BAD_USER_INPUT" {
		t.Errorf("a subscription without a stream: got %d %s", got.status, got.body)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	q := url.QueryEscape
	for _, c := range []struct {
		name, query string
		status      int
		want        string
	}{
		{"query", "query=" + q(`{ lock(name: "a") { name } }`), 200, `{"data":{"lock":{"name":"a"}}}`},
		{"variables", "query=" + q(`query A($n: String!) { lock(name: $n) { name } }`) + "&operationName=A&variables=" + q(`{"n":"b"}`), 200, `{"data":{"lock":{"name":"b"}}}`},
		{"null variables", "query=%7B__typename%7D&variables=null&extensions=", 200, `{"data":{"__typename":"Query"}}`},
		{"mutation", "query=" + q(`mutation { setRecord(input: {id: "a", data: ""}) { status } }`), 405, ""},
		{"subscription", "query=" + q(`subscription { lockChanged(name: "a") { name } }`), 405, ""},
		{"chosen mutation", "query=" + q(`query A { __typename } mutation B { __typename }`) + "&operationName=B", 405, ""},
		{"nothing", "", 400, ""},
		{"query twice", "query=%7B__typename%7D&query=%7B__typename%7D", 400, ""},
		{"bad escape", "query=%zz", 400, ""},
		{"not UTF-8", "query=%ff", 400, ""},
		{"variables a list", "query=%7B__typename%7D&variables=[]", 400, ""},
		{"variables not JSON", "query=%7B__typename%7D&variables=x", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := f.request("")
			r.Method, r.URL.RawQuery = http.MethodGet, c.query
			r.Header.Del("Content-Type")
			got := f.do(r)
			if got.status != c.status || (c.want != "" && got.body != c.want) {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
			if c.status != 200 && got.code(t) != "BAD_USER_INPUT" {
				t.Errorf("code in %s", got.body)
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("may be stored")
			}
		})
	}
}

func TestPanicStaysInside(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{lock: func(context.Context, string) (*object.Lock, error) { panic("secret") }}, transport.Config{})
	got := f.post(`{ lock(name: "a") { name } }`)
	if got.status != 200 || got.code(t) != "INTERNAL" || strings.Contains(got.body, "secret") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
