package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"syncline/client"
	"syncline/internal/testservers"
)

// figures are the metrics that a server shows: of each name all of its lines.
type figures map[string]string

var (
	figureName = regexp.MustCompile(`\b(?:syncline|go|process)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`((?:syncline|go|process)_[a-z0-9_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
)

func scrape(t *testing.T, address string) figures {
	t.Helper()
	_, body := fetch(t, http.MethodGet, "http://"+address+"/metrics")
	found := figures{}
	for line := range strings.Lines(body) {
		if name := figureName.FindString(line); name != "" && !strings.HasPrefix(line, "#") {
			found[name] += "\n" + line
		}
	}
	return found
}

// expect has what a query asks for: each name, with its labels.
func (f figures) expect(t *testing.T, where, query string) {
	t.Helper()
	names := figureName.FindAllString(query, -1)
	if len(names) == 0 && !strings.Contains(query, "up{") {
		t.Errorf("%s asks for nothing of ours: %s", where, query)
	}
	for _, name := range names {
		if _, ok := f[name]; !ok {
			t.Errorf("%s asks for %s, which a server does not show", where, name)
		}
	}
	for _, part := range selector.FindAllStringSubmatch(query, -1) {
		for _, label := range labelName.FindAllStringSubmatch(part[2], -1) {
			if label[1] != "instance" && label[1] != "job" && !strings.Contains(f[part[1]], label[1]+`="`) {
				t.Errorf("%s asks for the label %s, which %s does not have", where, label[1], part[1])
			}
		}
	}
}

// A server that was used shows what operators ask for; what the alert rules and the dashboard ask
// for is there, with its labels; and promtool finds that each alert comes when it should.
func TestFigures(t *testing.T) {
	t.Parallel()
	address, c := testservers.FreeAddress(t), newCertificate(t)
	server := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+address, "TLS_CERT_FILE="+c.File, "TLS_KEY_FILE="+c.KeyFile,
		"BREEZ_COMPATIBILITY=true", "RATE_LIMITS=on", "RATE_NEW_OWNERS=1")
	tr := trust(t, c)
	device := newDevice("https://"+server.Address+"/graphql", newKey(t))
	device.http.Transport = &tr.Transport
	if err := device.set(t, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start() // it looks at the size of what is there when it starts
	follower, err := client.New("https://"+server.Address+"/graphql", device.key, client.WithHTTPClient(&http.Client{Transport: &tr.Transport}))
	if err != nil {
		t.Fatal(err)
	}
	follow, stop := context.WithCancel(t.Context())
	defer stop()
	heard := make(chan string, 10)
	go func() {
		for event, err := range follower.Follow(follow, client.Beginning) {
			if err != nil {
				return
			}
			heard <- event.Record.ID
		}
	}()
	for id := ""; id != "b"; {
		if id = <-heard; id == "" { // it has caught up: what follows is live
			if err := device.set(t, "b", []byte("2")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // of whom one is refused
		stranger := newDevice(device.url, newKey(t))
		stranger.http.Transport = &tr.Transport
		_ = stranger.set(t, "a", []byte("1"))
	}
	var shown figures
	for _, want := range []string{
		`syncline_owners [12]`, `syncline_database_bytes [1-9]`, `syncline_delivery_lag_seconds_count 1`, `syncline_feeds 1`, `syncline_connections\{kind="websocket"\} 1`,
		`syncline_connections\{kind="event_stream"\} 0`, `syncline_transaction_writes_count [1-9]`, `syncline_check_failing\{check="database"\} 0`,
		`syncline_refusals_total\{code="RATE_LIMITED",what="request"\} 1`, `syncline_rate_limited_total\{limit="new_owners",of="address"\} 1`,
		`go_sql_open_connections\{db_name="write"\} 1`, `syncline_build_info\{database="sqlite3",go="go[^"]*",version="[^"]+"\} 1`, `syncline_slow_readers_total 0`,
		`syncline_purged_total\{what="tombstones"\} 0`, `syncline_operation_duration_seconds_count\{field="setRecord",outcome="ok"\} 2`,
	} {
		testservers.Await(t, want, func(context.Context) bool {
			shown = scrape(t, address)
			return regexp.MustCompile(`(?m)^` + want).MatchString(strings.Join(slices.Collect(maps.Values(shown)), ""))
		})
	}

	rules, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(rules), "- alert: ")[1:]
	if len(parts) < 15 {
		t.Fatalf("only %d alerts were found", len(parts))
	}
	for _, rule := range parts {
		alert, rest, _ := strings.Cut(rule, "\n")
		query, _, _ := strings.Cut(rest, "labels: {")
		shown.expect(t, alert, query)
		if !strings.Contains(string(operations), "\n| `"+alert+"` | ") {
			t.Errorf("docs/operations.md does not say what to do about %s", alert)
		}
	}

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	content, err := os.ReadFile("../../deploy/grafana/syncline.json")
	if err == nil {
		err = json.Unmarshal(content, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	queries := "groups: [{name: dashboard, rules: [\n"
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			shown.expect(t, panel.Title, target.Expr)
			query, _ := json.Marshal(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			queries += "{record: a:b, expr: " + string(query) + "},\n"
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(queries+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "--lint=none", "../../deploy/prometheus/alerts.yml", file}, {"test", "rules", "../../deploy/prometheus/alerts_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
