package e2e

import (
	"bytes"
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
