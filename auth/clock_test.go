package auth_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth"
)

// machine is a machine's two clocks.
type machine struct {
	wall    time.Time
	running time.Duration
}

func (m *machine) read() (time.Time, time.Duration) { return m.wall, m.running }

func (m *machine) pass(d time.Duration) { m.wall, m.running = m.wall.Add(d), m.running+d }

func (m *machine) set(by time.Duration) { m.wall = m.wall.Add(by) }

// A clock that is set back goes on at half speed until the wall clock has caught up,
// and says so once; one that is set forward is followed at once.
func TestClock(t *testing.T) {
	t.Parallel()
	start := time.Unix(created, 0)
	m := &machine{wall: start}
	var log strings.Builder
	c := auth.NewClock(m.read, slog.New(slog.NewTextHandler(&log, nil)))
	for _, step := range []struct {
		set, passes, want time.Duration // want: after start
		lines             int
	}{
		{0, 10 * time.Second, 10 * time.Second, 0},
		{-time.Second, 4 * time.Second, 13 * time.Second, 0}, // small steps are nobody's concern
		{time.Hour, 0, time.Hour + 13*time.Second, 0},
		{-10 * time.Minute, 0, time.Hour + 13*time.Second, 1},
		{0, 10 * time.Minute, time.Hour + 5*time.Minute + 13*time.Second, 1},
		{0, 10 * time.Minute, time.Hour + 10*time.Minute + 13*time.Second, 1},
		{0, time.Minute, time.Hour + 11*time.Minute + 13*time.Second, 1},
		{-2 * time.Hour, 0, time.Hour + 11*time.Minute + 13*time.Second, 2},
	} {
		m.set(step.set)
		m.pass(step.passes)
		if got := c.Now().Sub(start); got != step.want {
			t.Errorf("%+v: it is %v after the start", step, got)
		}
		if lines := strings.Count(log.String(), "set back"); lines != step.lines {
			t.Errorf("%+v: %d lines of the log:\n%s", step, lines, log.String())
		}
	}
}

// A server whose clock is set back, also to before its start, serves those who correct a
// clock by what it answers, and nothing twice, also what was forgotten by then.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	started := time.Unix(created, 0)
	m := &machine{wall: started}
	clock := auth.NewClock(m.read, slog.New(slog.DiscardHandler)).Now
	s := newService(t, auth.NewMemoryNonces(100, clock), auth.Options{Now: clock, RefuseBefore: started})
	captured := newDraft(t, kindPost, "captured").request()
	if got := s.send(captured); got != "" {
		t.Fatalf("a request: %q", got)
	}
	m.pass(15 * time.Minute)
	if got := s.send(newDraft(t, kindPost, "later").createdAt(m.wall.Unix()).request()); got != "" {
		t.Fatalf("a request when the first one is forgotten: %q", got)
	}
	requests, corrected := 0, 0
	for _, back := range []time.Duration{10 * time.Minute, 4*time.Minute + 30*time.Second, 20 * time.Minute} {
		m.set(-back)
		for range 10 {
			m.pass(time.Minute)
			if got := s.send(captured); got != string(auth.CodeSignatureExpired) && got != string(auth.CodeNonceReused) {
				t.Errorf("a captured request at %v: %q", m.wall.Sub(started), got)
			}
			requests++
			w := s.serve(readRequest(t, newDraft(t, kindPost, fmt.Sprint("right ", requests)).createdAt(m.wall.Unix()).request()))
			if w.Code == http.StatusOK {
				continue
			}
			at, err := time.Parse(time.RFC3339, extensions(t, w)["serverTime"].(string))
			if err != nil {
				t.Fatal(err)
			}
			corrected++
			if got := s.send(newDraft(t, kindPost, fmt.Sprint("corrected ", requests)).createdAt(at.Unix()).request()); got != "" {
				t.Errorf("a client that corrected its clock at %v: %q", m.wall.Sub(started), got)
			}
		}
	}
	if corrected == 0 {
		t.Error("no clock had to be corrected: this test showed nothing")
	}
}
