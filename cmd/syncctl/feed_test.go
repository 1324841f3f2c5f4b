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

// newFakeDevice is of a test whose transport is its own. Such tests are not
// parallel: others must not meet it.
func newFakeDevice(t *testing.T) device {
	t.Helper()
	usual := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = usual })
	d := newDevice(t, "http://fake.example/graphql")
	d.inside = true
	return d
}

func TestAWalkEndsWhenTheDiskIsFull(t *testing.T) {
	d := newFakeDevice(t)
	feed := &slowFeed{pages: 10}
	http.DefaultTransport = feed
	code := run(t.Context(), []string{"--key", d.key, "changes"}, streams{nil, fullDisk{}, io.Discard})
	if code != exitError || feed.asked != 1 {
		t.Errorf("code %d after %d pages, want %d after the first", code, feed.asked, exitError)
	}
}

func TestAWalkMayTakeLongerThanTheTimeout(t *testing.T) {
	d := newFakeDevice(t)
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
