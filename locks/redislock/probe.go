package redislock

import (
	"context"
	"crypto/rand"

	"github.com/redis/go-redis/v9"

	"syncline/locks"
)

// probeScript does what a grant does: reads the lock by Redis's clock, writes a key,
// and removes it.
var probeScript = redis.NewScript(state + `load() redis.call('SET', KEYS[1], '0 0 probe', 'NX', 'PX', 1000) return redis.call('DEL', KEYS[1])`)

// Probe tells whether Redis would keep a lock now: it may be there and be full,
// read-only, short of a part of its cluster, or forbid this user to write.
func (l *Locker) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	var nobody locks.Owner // each time another, so that in time all nodes of a cluster are asked
	_, _ = rand.Read(nobody[:])
	return probeScript.Run(ctx, l.client, l.keys(locks.Key{Owner: nobody, Name: "probe"})).Err()
}
