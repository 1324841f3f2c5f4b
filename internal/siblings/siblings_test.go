package siblings_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"syncline/internal/siblings"
	"syncline/internal/testservers"
)

// slowly gives a client's connections the time that a busy machine takes.
const slowly = "?dial_timeout=1m&read_timeout=1m&write_timeout=1m&pool_timeout=1m"

func claimBy(t *testing.T, redis *testservers.Redis, prefix string, read func(context.Context) ([]string, error)) *siblings.Claim {
	t.Helper()
	return siblings.New(testservers.RedisClient(t, redis.URL()+slowly), prefix, read, slog.New(slog.DiscardHandler)).Slow()
}

func claim(t *testing.T, redis *testservers.Redis, prefix string, epochs *[]string) *siblings.Claim {
	t.Helper()
	return claimBy(t, redis, prefix, func(context.Context) ([]string, error) { return *epochs, nil })
}

// What an instance that begins with first, beside one with other epochs, may do.
func TestClaims(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	for name, test := range map[string]struct {
		first, second []string
		differs       bool
	}{
		"the same":                  {[]string{"aa", "bb"}, []string{"aa", "bb"}, false},
		"a new epoch":               {[]string{"aa"}, []string{"aa", "bb"}, false},
		"an older one":              {[]string{"aa", "bb"}, []string{"aa"}, true},
		"another":                   {[]string{"aa"}, []string{"bb"}, true},
		"another that goes on":      {[]string{"aa", "bb"}, []string{"aa", "cc"}, true},
		"one that begins alike":     {[]string{"aa"}, []string{"aab"}, true},
		"one that has a part of it": {[]string{"aa", "bb"}, []string{"bb"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := claim(t, redis, name, &test.first), claim(t, redis, name, &test.second)
			one.Make(t.Context())
			two.Make(t.Context())
			if err := one.Probe(t.Context()); err != nil {
				t.Errorf("the first: %v", err)
			}
			if err := two.Probe(t.Context()); (err != nil) != test.differs {
				t.Errorf("the second: %v, want that it differs: %v", err, test.differs)
			}
			elsewhere := claim(t, redis, name+" elsewhere", &test.second)
			elsewhere.Make(t.Context())
			if err := elsewhere.Probe(t.Context()); err != nil {
				t.Errorf("by another prefix: %v", err)
			}
		})
	}
}

// An instance that read its epochs before a new one began reads them again before it
// believes that it is wrong.
func TestANewEpochWhileOthersServe(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	now := []string{"aa", "bb"}
	claim(t, redis, "p", &now).Make(t.Context())
	reads := 0
	late := claimBy(t, redis, "p", func(context.Context) ([]string, error) {
		reads++
		return now[:min(reads, 2)], nil
	})
	late.Make(t.Context())
	if err := late.Probe(t.Context()); err != nil || reads != 2 {
		t.Errorf("%v after %d reads", err, reads)
	}
}

// A claim ends with those who make it; what cannot be asked changes nothing.
func TestClaimsEnd(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	mine, theirs := []string{"aa"}, []string{"bb"}
	claim(t, redis, "p", &theirs).Make(t.Context())
	clock := time.Now()
	c := claim(t, redis, "p", &mine).By(func() time.Time { // it is looked at twice each time
		clock = clock.Add(2 * time.Second)
		return clock
	})
	refusal, next := http.NotFoundHandler(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	served := func() int {
		w := httptest.NewRecorder()
		c.Middleware(refusal, next).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
		return w.Code
	}
	c.Make(t.Context())
	if code := served(); code != http.StatusNotFound {
		t.Errorf("beside another database: HTTP %d", code)
	}
	client := testservers.RedisClient(t, redis.URL()+slowly)
	if ttl := client.PTTL(t.Context(), "p:{database}:epochs").Val(); ttl <= 0 || ttl > 30*time.Second {
		t.Errorf("the claim stands for %v", ttl)
	}
	redis.Kill()
	c.Make(t.Context())
	if c.Probe(t.Context()) == nil {
		t.Error("without Redis it believes to be right")
	}
	redis.Start() // empty, as after the claim's time
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	testservers.Await(t, "it serves", func(context.Context) bool { return served() == http.StatusOK })
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

// When Redis has lost the claim, those who made it make it again: an instance that
// differs, and tries more often, waits for them.
func TestAClaimThatIsLost(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	client := testservers.RedisClient(t, redis.URL()+slowly)
	right, wrong := []string{"aa"}, []string{"bb"}
	clock := time.Now()
	theirs := claim(t, redis, "p", &right)
	mine := claim(t, redis, "p", &wrong).By(func() time.Time { return clock })
	theirs.Make(t.Context())
	mine.Make(t.Context())
	lose := func() {
		t.Helper()
		if err := client.Del(t.Context(), "p:{database}:epochs").Err(); err != nil {
			t.Fatal(err)
		}
	}
	after := func(passed time.Duration, differs bool) {
		t.Helper()
		clock = clock.Add(passed)
		mine.Make(t.Context())
		if (mine.Probe(t.Context()) != nil) != differs {
			t.Errorf("it differs: %v, want %v", !differs, differs)
		}
	}
	lose()
	after(0, true)
	after(4*time.Second, true)
	after(4*time.Second, true)
	theirs.Make(t.Context())
	if err := theirs.Probe(t.Context()); err != nil {
		t.Errorf("who served before: %v", err)
	}
	after(4*time.Second, true)

	lose() // and nobody is there to make it again
	after(4*time.Second, true)
	after(4*time.Second, true)
	after(siblings.Absence, true) // who looked away knows nothing of the time between
	after(4*time.Second, true)
	after(4*time.Second, true)
	after(siblings.Absence-8*time.Second-1, true)
	after(1, false)
}
