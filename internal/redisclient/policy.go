package redisclient

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

const noEviction = "noeviction"

// Evicting is the maxmemory-policy of a server that may forget what it was told to
// keep, and empty if there is none, or nobody may ask. Of a cluster each primary is
// asked.
func Evicting(ctx context.Context, client redis.UniversalClient) (policy string) {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		var mu sync.Mutex
		_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { // one that does not answer is told of elsewhere
			found := evicting(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			if found != "" {
				policy = found
			}
			return nil
		})
		return policy
	}
	return evicting(ctx, client)
}

func evicting(ctx context.Context, node redis.Cmdable) string {
	info, _ := node.Info(ctx, "memory").Result() // may be forbidden
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok && policy != noEviction {
			return policy
		}
	}
	return ""
}

// EvictionWarning says what it means that a server may forget.
func EvictionWarning(policy string) string {
	return fmt.Sprintf("Redis has maxmemory-policy %s: when its memory is full it forgets locks that are held and nonces that were used, without a sign; set it to %s", policy, noEviction)
}
