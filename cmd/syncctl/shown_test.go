package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// testText has texts of many languages: they are shown as such.
func testText(d device) {
	for id, text := range map[string]string{
		"windows": "one\r\ntwo", "french": "10\u00a0% «\u202foui\u202f»", "japanese": "東京\u3000都", "persian": "می\u200cخواهم",
	} {
		d.run("set", id, text).wants(exitOK, "", "")
		want := strings.ReplaceAll(text, "\r\n", "\n          ")
		if got := d.run("get", id).wants(exitOK, "", "").out; !strings.Contains(got, "data      "+want+"\n") {
			d.t.Errorf("%s: %q", id, got)
		}
		want = strings.ReplaceAll(text, "\r\n", "⏎")
		d.run("changes").wants(exitOK, want, "")
		if got := d.run("get", "--raw", id).out; got != text {
			d.t.Errorf("%s: %q", id, got)
		}
	}
	// Columns count cells of the terminal, of which 東京都 takes six.
	d.run("set", "東京都", "x").wants(exitOK, "", "")
	d.run("list", "東").wants(exitOK, "ID      REVISION  UPDATED              DATA\n東京都  5         ", "")
}

// A server that means harm puts control characters into whatever is shown.
func TestHostileText(t *testing.T) {
	t.Parallel()
	const bad = `\u001b]0;owned\u0007\u001b[2J\u009b2J\r\n\u202e`
	record := `{"id":"` + bad + `","data":"` + "G1swbQ==" + `","revision":1,"schemaVersion":"` + bad + `","deleted":false,"clientId":"` + bad + `","updatedAt":"2026-01-01T00:00:00Z"}`
	lock := `{"name":"` + bad + `","locked":true,"exclusive":true,"holders":[{"instanceId":"` + bad + `","token":1,"expiresAt":"2026-01-01T00:00:00Z"}]}`
	answers := map[string]string{
		"Records":    `{"data":{"records":[` + record + `]}}`,
		"Changes":    `{"data":{"changes":{"records":[` + record + `],"cursor":"` + bad + `","hasMore":false,"head":1}}}`,
		"Viewer":     `{"data":{"viewer":{"id":"` + bad + `","head":1,"cursor":"` + bad + `","recordCount":1,"storedBytes":1}}}`,
		"query Lock": `{"data":{"lock":` + lock + `}}`,
		"SetLock":    `{"data":{"setLock":{"status":"HELD","renewed":false,"token":null,"expiresAt":null,"lock":` + lock + `}}}`,
		"SetRecord":  `{"errors":[{"message":"` + bad + `","extensions":{"code":"` + bad + `","field":"` + bad + `"}}]}`,
		"Delete":     `{"data":{"deleteRecord":{"status":"CONFLICT","newRevision":null,"record":` + record + `,"replayed":false}}}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := make([]byte, 200)
		n, _ := r.Body.Read(asked)
		for what, answer := range answers {
			if strings.Contains(string(asked[:n]), what) {
				_, _ = w.Write([]byte(answer))
				return
			}
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	d := newDevice(t, server.URL+"/graphql")
	for _, command := range [][]string{
		{"get", "a"}, {"changes"}, {"list"}, {"whoami"}, {"locked", "l"}, {"lock", "l"}, {"set", "a", "x"}, {"delete", "a", "--revision", "1"},
	} {
		for _, form := range [][]string{nil, {"--json"}, {"-v", "--debug"}} {
			r := d.run(append(form, command...)...)
			shown := r.out + r.err
			if shown == "" || strings.ContainsAny(shown, "\x1b\x07\r\u009b\u202e") {
				t.Errorf("%v: %q", append(form, command...), shown)
			}
			if form == nil && strings.Contains(shown, "\n2J") {
				t.Errorf("%v: a line of the server's own: %q", command, shown)
			}
		}
	}
}

// The log has what a server says, too.
func TestHostileLog(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"errors":[{"message":"\u009b2J\u202e","extensions":{"code":"UNAVAILABLE"}}]}`))
	}))
	defer server.Close()
	d := newDevice(t, server.URL+"/graphql")
	for _, form := range [][]string{{"-v"}, {"-v", "--json"}} {
		r := d.run(append(form, "--timeout", "1s", "whoami")...).wants(exitUnreachable, "", "trying again")
		if strings.ContainsAny(r.out+r.err, "\u009b\u202e") {
			t.Errorf("%v: %q", form, r.out+r.err)
		}
	}
}
