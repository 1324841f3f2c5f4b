package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowFeed answers pages of one record, each after some time.
type slowFeed struct {
	pages   int
	latency time.Duration
	asked   int
}

func (f *slowFeed) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(f.latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	f.asked++
	answer := fmt.Sprintf(`{"data":{"changes":{"records":[{"id":"r%d","data":"","revision":%d,"schemaVersion":"",`+
		`"deleted":false,"updatedAt":"2026-01-01T00:00:00Z"}],"cursor":"c%d","hasMore":%t,"head":%d}}}`,
		f.asked, f.asked, f.asked, f.asked < f.pages, f.pages)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// It is not parallel: others must not meet its transport.
func TestAWalkMayTakeLongerThanTheTimeout(t *testing.T) {
	d := newDevice(t, "http://fake.example/graphql")
	usual := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = usual })
	synctest.Test(t, func(t *testing.T) {
		d.t = t
		http.DefaultTransport = &slowFeed{pages: 10, latency: 3 * time.Second}
		if got := d.run("--timeout", "4s", "changes").wants(exitOK, "cursor c10", ""); strings.Count(got.out, "cursor") != 1 {
			t.Errorf("%s", got.out)
		}
		http.DefaultTransport = &slowFeed{pages: 10, latency: 3 * time.Second}
		d.run("--timeout", "2s", "changes").wants(exitUnreachable, "", "")
	})
}
