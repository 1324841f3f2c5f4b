package testservers

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"syncline/internal/redisclient"
)

// RedisClient is a client, made as the service makes its own, that is closed when
// the test ends.
func RedisClient(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisclient.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// PausedDial is for tests that look for goroutines left behind: a pool of
// go-redis that could not dial tries again after a second, and only then finds
// that it was closed.
func PausedDial() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
}
