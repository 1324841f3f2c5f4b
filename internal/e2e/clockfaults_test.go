package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// An instance whose clock is two minutes ahead, and then two minutes behind,
// and a slow way from all instances to PostgreSQL: revisions stay without holes,
// locks exclusive, fences closed; clients are served, and what one of them
// signed serves once.
func TestClockIsOff(t *testing.T) {
	t.Parallel()
	postgres, redis := testservers.StartPostgres(t), testservers.StartRedis(t)
	slow := testservers.StartProxy(t, postgres.Address)
	slow.Delay(2 * time.Millisecond)
	postgresURL := strings.Replace(postgres.NewURL(t), postgres.Address, slow.Address, 1)
	env := []string{"DATABASE_URL=" + postgresURL, "REDIS_URL=" + redis.URL()}
	var clock shiftedClock
	clock.set(2 * time.Minute)
	urls := []string{
		serveInProcess(t, overRedis(t, postgresURL, redis.URL(), clock.now)),
		testservers.StartSyncline(t, env...).URL(),
		testservers.StartSyncline(t, env...).URL(),
	}
	remembersForLong(t, redis)
	load, locks := startLoad(t, urls), startContention(t, urls)
	if p := load.steady("one clock is ahead"); p.notApplied+p.unknown+p.lost > 0 {
		t.Error("writes failed")
	}
	checkServesOnce(t, urls)
	slow.Delay(10 * time.Millisecond)
	load.steady("the way to PostgreSQL is longer")
	clock.set(-2 * time.Minute)
	if p := load.steady("the clock is behind"); p.notApplied+p.unknown+p.lost > 0 {
		t.Error("writes failed")
	}
	checkServesOnce(t, urls[1:])
	locks.finish()
	locks.checkExclusive()
	load.finish()
}

// remembersForLong makes a Redis that began to remember nonces just now one that has
// done so for an hour. Until it has for as long as a clock is ahead, that clock's
// instance asks clients whose clocks are right to sign again.
func remembersForLong(t *testing.T, server *testservers.Redis) {
	t.Helper()
	client := testservers.RedisClient(t, server.URL())
	names, err := client.Keys(t.Context(), "*:beginning").Result()
	if err != nil || len(names) == 0 {
		t.Fatalf("no beginnings in Redis: %v", err)
	}
	for _, name := range names {
		value, err := client.Get(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(value, " ")
		if err := client.Set(t.Context(), name, fmt.Sprint(line, " ", time.Now().Add(-time.Hour).UnixMilli()), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkServesOnce captures a signed request to each instance, and sends it to all.
func checkServesOnce(t *testing.T, urls []string) {
	t.Helper()
	for _, first := range urls {
		signed := signedRequest(t, first)
		if answer := sendTo(t, first, signed); !strings.Contains(answer, `"head"`) {
			t.Errorf("a signed request: %s", answer)
		}
		for _, again := range urls {
			if answer := sendTo(t, again, signed); !strings.Contains(answer, "NONCE_REUSED") {
				t.Errorf("a captured request was answered: %s", answer)
			}
		}
	}
}

const viewerBody = `{"query":"{ viewer { head } }"}`

func signedRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, []byte(viewerBody), newKey(t), time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	return req
}

// sendTo sends a request to another address than it was made for, under the
// name that it was made for.
func sendTo(t *testing.T, url string, signed *http.Request) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(viewerBody)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Host = signed.Header, signed.URL.Host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
