package e2e

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // to hold writers up from outside

	"syncline/internal/testservers"
)

// Writes that are in flight when the server is told to stop are finished and
// answered, however they were held up.
func TestDrainAnswersWritesInFlight(t *testing.T) {
	t.Parallel()
	metrics := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+metrics)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(server.Dir, "syncline.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	holder, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback() }()

	answers := make(chan error, 2)
	for range cap(answers) {
		d := newDevice(server.URL(), newKey(t))
		go func() {
			var out struct{ SetRecord outcome }
			err := d.call(t.Context(), `mutation($input: SetRecordInput!) { setRecord(input: $input) { status newRevision } }`,
				map[string]any{"input": map[string]any{"id": "a", "data": []byte("x")}}, &out)
			answers <- err
		}()
	}
	testservers.Await(t, "both requests are verified", func(context.Context) bool {
		_, body := fetch(t, http.MethodGet, "http://"+metrics+"/metrics")
		return strings.Contains(body, "syncline_nonces 2\n")
	})
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testservers.Await(t, "the server takes no new requests", func(ctx context.Context) bool {
		r, err := readinessOf(ctx, server)
		return err != nil || r.Status == "draining"
	})
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Errorf("a write that was in flight: %v", err)
		}
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
