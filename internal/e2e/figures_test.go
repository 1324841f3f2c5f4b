package e2e

import (
	"context"
	"net/http"
	"regexp"
	"testing"

	"syncline/client"
	"syncline/internal/testservers"
)

// A server that was used shows what operators ask for. Alert rules and the dashboard have their test in
// deploy/checks.
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
	for _, want := range []string{
		`syncline_owners [12]`, `syncline_database_bytes [1-9]`, `syncline_delivery_lag_seconds_count 1`, `syncline_feeds 1`, `syncline_connections\{kind="websocket"\} 1`,
		`syncline_connections\{kind="event_stream"\} 0`, `syncline_transaction_writes_count [1-9]`, `syncline_check_failing\{check="database"\} 0`,
		`syncline_refusals_total\{code="RATE_LIMITED",what="request"\} 1`, `syncline_rate_limited_total\{limit="new_owners",of="address"\} 1`,
		`go_sql_open_connections\{db_name="write"\} 1`, `syncline_build_info\{database="sqlite3",go="go[^"]*",version="[^"]+"\} 1`, `syncline_slow_readers_total 0`,
		`syncline_purged_total\{what="tombstones"\} 0`, `syncline_refusals_total\{code="INTERNAL",what="request"\} 0`, `syncline_operation_duration_seconds_count\{field="setRecord",outcome="ok"\} 2`,
	} {
		testservers.Await(t, want, func(context.Context) bool {
			_, shown := fetch(t, http.MethodGet, "http://"+address+"/metrics")
			return regexp.MustCompile(`(?m)^` + want).MatchString(shown)
		})
	}
}
