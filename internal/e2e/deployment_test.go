package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// deployment is the service as an operator runs it: one instance on SQLite, or
// several over one PostgreSQL and one Redis.
type deployment struct {
	instances []*testservers.Syncline
	postgres  *testservers.Postgres // nil with SQLite
	redis     *testservers.Redis    // nil with SQLite
	balancer  *testservers.Proxy    // shares connections out among the instances
}

const fleetSize = 3

// onEachDeployment runs a test on each kind of deployment.
func onEachDeployment(t *testing.T, test func(t *testing.T, d *deployment)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T) *deployment{
		"SQLite":               startAlone,
		"PostgreSQL and Redis": startFleet,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func startAlone(t *testing.T) *deployment {
	t.Helper()
	return behindBalancer(t, &deployment{instances: []*testservers.Syncline{testservers.StartSyncline(t)}})
}

func startFleet(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{postgres: testservers.StartPostgres(t), redis: testservers.StartRedis(t)}
	env := []string{"DATABASE_URL=" + d.postgres.NewURL(t), "REDIS_URL=" + d.redis.URL()}
	for range fleetSize {
		d.instances = append(d.instances, testservers.StartSyncline(t, env...))
	}
	t.Cleanup(func() {
		for i, s := range d.instances {
			if t.Failed() {
				t.Logf("the end of the log of instance %d:\n%s", i, s.Log())
			}
		}
	})
	return behindBalancer(t, d)
}

func behindBalancer(t *testing.T, d *deployment) *deployment {
	t.Helper()
	var addresses []string
	for _, s := range d.instances {
		addresses = append(addresses, s.Address)
	}
	d.balancer = testservers.StartProxy(t, addresses...)
	return d
}

// url is where the balancer answers GraphQL.
func (d *deployment) url() string { return "http://" + d.balancer.Address + "/graphql" }

// urls is where each instance answers GraphQL.
func (d *deployment) urls() []string {
	var urls []string
	for _, s := range d.instances {
		urls = append(urls, s.URL())
	}
	return urls
}

// readiness is what /readyz of an instance says.
type readiness struct {
	code   int
	Status string
	Checks map[string]string
}

func readinessOf(ctx context.Context, s *testservers.Syncline) (r readiness, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/readyz", nil)
	if err != nil {
		return r, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	r.code = res.StatusCode
	return r, json.NewDecoder(res.Body).Decode(&r)
}

// awaitReadiness waits until every instance says so of itself and of one of its
// dependencies.
func (d *deployment) awaitReadiness(t *testing.T, code int, status, check, state string) {
	t.Helper()
	var wg sync.WaitGroup
	for _, s := range d.instances {
		wg.Go(func() {
			var last readiness
			var err error
			until(t, time.Minute, func() bool {
				last, err = readinessOf(t.Context(), s)
				return err == nil && last.code == code && last.Status == status && last.Checks[check] == state
			}, func() { t.Errorf("/readyz says %+v (%v); want %d, %s, %s %s", last, err, code, status, check, state) })
		})
	}
	wg.Wait()
}

// until polls a condition, and calls otherwise if it is not met in time.
func until(t *testing.T, limit time.Duration, met func() bool, otherwise func()) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline.C:
			otherwise()
			return
		}
	}
}
