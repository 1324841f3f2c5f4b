package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func hashOf(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}

// byHash are the extensions of a request for a document by its hash.
func byHash(document string) vars {
	return vars{"persistedQuery": vars{"version": 1, "sha256Hash": hashOf(document)}}
}

func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	alice, bob := a.as("alice"), a.as("bob")
	unknown := refusal{200, "PERSISTED_QUERY_NOT_FOUND", ""}
	if got := alice.send(t, vars{"extensions": byHash(viewer)}); got.refusal(t) != unknown || got.Errors[0].Message != "PersistedQueryNotFound" {
		t.Fatalf("an unknown hash: %s", got.body)
	}
	alice.send(t, vars{"query": viewer, "extensions": byHash(viewer)})
	for owner, c := range map[string]client{"alice": alice, "bob": bob} {
		for _, query := range []any{nil, ""} {
			got := c.send(t, vars{"query": query, "extensions": byHash(viewer)})
			tree{t, got.Data}.is(keyOf(owner), "viewer", "id")
		}
		get := c.get(t, url.Values{"extensions": {string(mustJSON(byHash(viewer)))}})
		if !strings.Contains(get, keyOf(owner)) {
			t.Errorf("GET by hash: %s", get)
		}
	}
	alice.do(t, setRecord, vars{"input": vars{"id": "a", "data": ""}})
	alice.send(t, vars{"extensions": byHash(setRecord), "variables": vars{"input": vars{"id": "b", "data": ""}}})
	alice.viewer(t).is("2", "head")
}

// A hash stands for a document, never for a permission.
func TestPersistedQueriesAreJudgedAsDocumentsAre(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	alice, nobody := a.as("alice"), a.as("")
	alice.ok(t, viewer, nil)
	if got := nobody.send(t, vars{"extensions": byHash(viewer)}).refusal(t); got != (refusal{401, "UNAUTHENTICATED", ""}) {
		t.Errorf("without a signature: %+v", got)
	}
	const limits = "{limits {maxBatch}}"
	nobody.ok(t, limits, nil) // is not kept, as nobody signed it
	if got := nobody.send(t, vars{"extensions": byHash(limits)}).refusal(t); got != (refusal{200, "PERSISTED_QUERY_NOT_FOUND", ""}) {
		t.Errorf("what nobody signed: %+v", got)
	}
	alice.ok(t, "mutation {"+strings.Repeat(" ", 5000)+"__typename}", nil) // too long to be kept
	for name, c := range map[string]struct {
		extension any
		field     string
	}{
		"a list":         {[]any{}, "version"},
		"version 2":      {vars{"version": 2, "sha256Hash": hashOf(viewer)}, "version"},
		"no hash":        {vars{"version": 1}, "sha256Hash"},
		"a short hash":   {vars{"version": 1, "sha256Hash": "abcd"}, "sha256Hash"},
		"a long hash":    {vars{"version": 1, "sha256Hash": hashOf(viewer) + "00"}, "sha256Hash"},
		"another's hash": {vars{"version": 1, "sha256Hash": hashOf("x")}, "sha256Hash"},
	} {
		got := alice.send(t, vars{"query": viewer, "extensions": vars{"persistedQuery": c.extension}}).refusal(t)
		if got != (refusal{400, "BAD_USER_INPUT", "extensions.persistedQuery." + c.field}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, body := range []vars{{}, {"extensions": vars{"persistedQuery": nil}}, {"query": 1, "extensions": byHash(viewer)}} {
		if got := alice.send(t, body); got.status != http.StatusBadRequest || !strings.Contains(got.body, "query must be a string") {
			t.Errorf("%v: %s", body, got.body)
		}
	}
}

func TestPersistedSubscriptions(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	const changed = "subscription {recordChanged {kind}}"
	c.subscribe(t, changed, nil, byHash(changed)).data("recordChanged").is("CAUGHT_UP", "kind")
	ws := dial(t, a, vars{"owner": "alice"})
	for id, payload := range map[string]vars{
		"1": {"extensions": byHash(changed)},
		"2": {"query": changed, "extensions": byHash(changed)},
	} {
		if err := ws.WriteJSON(message{ID: id, Type: "subscribe", Payload: payload}); err != nil {
			t.Fatal(err)
		}
		tree{t, readMessage(t, ws, "next").Payload}.is("CAUGHT_UP", "data", "recordChanged", "kind")
	}
	if err := ws.WriteJSON(message{ID: "3", Type: "subscribe", Payload: vars{"extensions": byHash("unknown")}}); err != nil {
		t.Fatal(err)
	}
	tree{t, readMessage(t, ws, "error").Payload}.is("PERSISTED_QUERY_NOT_FOUND", 0, "extensions", "code")
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// get sends a query string.
func (c client) get(t *testing.T, query url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.api.url+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(ownerHeader, c.owner)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
