// Package redisrates has instances tell each other, by way of Redis, what busy
// owners and addresses took: see ratelimit.Exchange.
//
// A subject is the hash PREFIX:rate:SUBJECT, with a field for each instance. It
// expires a minute after the last one wrote. The client must obey its calls'
// contexts (ContextTimeoutEnabled), as those of internal/redisclient do.
package redisrates

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/internal/ratelimit"
)

const (
	// redisTime is how long an exchange may take. Nobody waits for it.
	redisTime = 2 * time.Second
	// kept is how long figures outlive the last one who wrote them.
	kept = time.Minute
)

// Exchange is a ratelimit.Exchange. Make one with New.
type Exchange struct {
	client   redis.UniversalClient
	prefix   string
	instance string
}

var _ ratelimit.Exchange = (*Exchange)(nil)

// New makes an Exchange whose keys begin with prefix, for an instance of a random name.
func New(client redis.UniversalClient, prefix string) *Exchange {
	return &Exchange{client: client, prefix: prefix, instance: rand.Text()[:16]}
}

// Instance implements ratelimit.Exchange.
func (e *Exchange) Instance() string { return e.instance }

// Swap implements ratelimit.Exchange, by one round trip to each node.
func (e *Exchange) Swap(ctx context.Context, mine []ratelimit.Figures) ([]map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	batch := e.client.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(mine))
	for i, figures := range mine {
		key := e.prefix + ":rate:" + figures.Subject
		batch.HSet(ctx, key, e.instance, figures.Line)
		batch.PExpire(ctx, key, kept)
		reads[i] = batch.HGetAll(ctx, key)
	}
	if _, err := batch.Exec(ctx); err != nil {
		return nil, fmt.Errorf("exchange figures of rate limits by Redis: %w", err)
	}
	all := make([]map[string]string, len(mine))
	for i, read := range reads {
		all[i] = read.Val()
	}
	return all, nil
}
