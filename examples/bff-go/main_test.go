package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/client"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

func TestNotes(t *testing.T) {
	t.Parallel()
	syncline := testservers.StartSyncline(t)
	url := serve(t, syncline.URL())

	for _, step := range []struct {
		name, method, ifMatch, body string
		status                      int
		etag, answer                string
	}{
		{"nothing yet", http.MethodGet, "", "", 404, "", "no such note\n"},
		{"create", http.MethodPut, "", "milk", 201, `"1"`, ""},
		{"read", http.MethodGet, "", "", 200, `"1"`, "milk"},
		{"create again", http.MethodPut, "", "bread", 409, `"1"`, "milk"},
		{"change", http.MethodPut, `"1"`, "milk, bread", 204, `"2"`, ""},
		{"change what was changed", http.MethodPut, `"1"`, "jam", 412, `"2"`, "milk, bread"},
		{"no ETag of ours", http.MethodPut, "*", "jam", 400, "", "If-Match must be an ETag that this service gave\n"},
		{"too long", http.MethodPut, `"2"`, strings.Repeat("x", maxNote+1), 413, "", "a note holds at most 64 KiB\n"},
	} {
		got := ask(t, step.method, url+"/notes/list", step.ifMatch, step.body)
		if want := (reply{step.status, step.etag, step.answer}); got != want {
			t.Errorf("%s: %+v; want %+v", step.name, got, want)
		}
	}
	if got := ask(t, http.MethodGet, url+"/notes/"+strings.Repeat("n", 65), "", ""); got.status != 400 {
		t.Errorf("a name that is too long: %+v", got)
	}
}

func TestKeyIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "service.key")
	made, err := serviceKey("", path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the key: %v, %v; want mode 0600", info.Mode(), err)
	}
	again, err := serviceKey("", path)
	if err != nil || again.Hex() != made.Hex() {
		t.Errorf("another start has another key, %v", err)
	}
	given, err := serviceKey(made.Hex(), "/nowhere")
	if err != nil || given.Hex() != made.Hex() {
		t.Errorf("SERVICE_KEY is not taken, %v", err)
	}
	if err := os.WriteFile(path, []byte("scrambled"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := serviceKey("", path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a broken key: %v; want an error that names the file", err)
	}
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	url := serve(t, "http://"+testservers.FreeAddress(t)+"/graphql")
	if got := ask(t, http.MethodGet, url+"/notes/list", "", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("without a store: %+v; want 503", got)
	}
}

// serve serves notes kept at an endpoint under a new identity.
func serve(t *testing.T, endpoint string) string {
	t.Helper()
	key, err := serviceKey("", filepath.Join(t.TempDir(), "service.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := client.New(endpoint, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newHandler(store))
	t.Cleanup(server.Close)
	return server.URL
}

type reply struct {
	status     int
	etag, body string
}

func ask(t *testing.T, method, url, ifMatch, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header.Get("ETag"), string(text)}
}
