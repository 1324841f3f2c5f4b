package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/health"
)

func get(handler http.HandlerFunc) (int, string) {
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestReadyFollowsItsChecksAndHeals(t *testing.T) {
	var down error
	h := health.New(
		health.Check{Name: "database", Probe: func(context.Context) error { return down }},
		health.Check{Name: "revocations", Probe: func(context.Context) error { return nil }},
	)
	for _, step := range []struct {
		down error
		code int
		body string
	}{
		{nil, 200, `{"status":"ready","checks":{"database":"ok","revocations":"ok"}}`},
		{errors.New("secret host refused"), 503, `{"status":"not ready","checks":{"database":"down","revocations":"ok"}}`},
		{nil, 200, `{"status":"ready","checks":{"database":"ok","revocations":"ok"}}`},
	} {
		down = step.down
		if code, body := get(h.Ready); code != step.code || body != step.body {
			t.Errorf("database %v: %d %s; want %d %s", step.down, code, body, step.code, step.body)
		}
	}
}

// What the server can do without does not take it, and all its siblings, out of
// service.
func TestDegraded(t *testing.T) {
	errDown := errors.New("down")
	var database, redis error
	h := health.New(
		health.Check{Name: "redis", Probe: func(context.Context) error { return redis }, Degrades: true},
		health.Check{Name: "database", Probe: func(context.Context) error { return database }},
	)
	for _, step := range []struct {
		database, redis error
		code            int
		body            string
	}{
		{nil, errDown, 200, `{"status":"degraded","checks":{"database":"ok","redis":"down"}}`},
		{errDown, errDown, 503, `{"status":"not ready","checks":{"database":"down","redis":"down"}}`},
		{nil, nil, 200, `{"status":"ready","checks":{"database":"ok","redis":"ok"}}`},
	} {
		database, redis = step.database, step.redis
		if code, body := get(h.Ready); code != step.code || body != step.body {
			t.Errorf("%d %s; want %d %s", code, body, step.code, step.body)
		}
	}
}

func TestDrainingIsAliveButNotReady(t *testing.T) {
	h := health.New()
	h.Drain()
	if code, body := get(h.Ready); code != 503 || body != `{"status":"draining"}` {
		t.Errorf("ready: %d %s", code, body)
	}
	if code, _ := get(h.Live); code != 200 {
		t.Errorf("live: %d", code)
	}
}

// Whoever asks has a timeout, too: however many checks hang, they hang at once.
func TestChecksThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		h := health.New(
			health.Check{Name: "database", Probe: hang},
			health.Check{Name: "redis", Probe: hang, Degrades: true},
			health.Check{Name: "revocations", Probe: func(context.Context) error { return nil }},
		)
		began := time.Now()
		const want = `{"status":"not ready","checks":{"database":"down","redis":"down","revocations":"ok"}}`
		if code, body := get(h.Ready); code != 503 || body != want {
			t.Errorf("%d %s; want 503 %s", code, body, want)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
