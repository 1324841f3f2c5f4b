package redisnonce

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// WithLongWait gives Redis time to answer on a machine that is busy.
func WithLongWait() Option {
	return func(n *Nonces) { n.wait = time.Minute }
}

// Backdate has the memory in Redis begin earlier.
func (n *Nonces) Backdate(ctx context.Context, by time.Duration) error {
	if _, err := n.begin(ctx); err != nil {
		return err
	}
	for shard := range shards {
		value, err := n.client.Get(ctx, n.beginning(shard)).Result()
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(value, " ")
		value = fmt.Sprint(line, " ", time.Now().Add(-by).UnixMilli())
		if err := n.client.Set(ctx, n.beginning(shard), value, 0).Err(); err != nil {
			return err
		}
	}
	return nil
}
