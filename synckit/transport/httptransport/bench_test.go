package httptransport_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

// BenchmarkPush has a server store batches of 100 events in an SQLite file.
func BenchmarkPush(b *testing.B) {
	store, err := sqlite.NewWithDataSource("file:" + filepath.Join(b.TempDir(), "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	handler := httptransport.NewSyncHandler(store, nil, nil, nil)
	for b.Loop() {
		b.StopTimer()
		body := batch(100)
		b.StartTimer()
		r := httptest.NewRequest(http.MethodPost, "/push", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// batch is a push of new events, 300 bytes each.
func batch(events int) *bytes.Buffer {
	b := bytes.NewBufferString("[")
	for i := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `{"event":{"id":"%s","type":"Measured","aggregate_id":"a%d","data":"%0256d"}}`, rand.Text(), i, i)
	}
	b.WriteByte(']')
	return b
}
