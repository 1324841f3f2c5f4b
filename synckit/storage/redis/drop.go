package redis

import (
	"context"
	"crypto/sha256"
	_ "embed" // scripts
	"slices"

	"github.com/redis/go-redis/v9"
)

//go:embed drop.lua
var dropSource string

var dropScript = redis.NewScript(dropSource)

// dropAtOnce is how many events a script drops: Redis does nothing else meanwhile.
const dropAtOnce = 1000

// Drop implements synckit.Dropper. Of an event that is dropped its ID stays, with its position.
func (s *Store) Drop(ctx context.Context, aggregateID string, ids []string) error {
	keys := []string{s.keys.log(), s.keys.ids(), s.keys.heads(), s.keys.state(), s.keys.index(aggregateID)}
	return s.do(ctx, "drop", func() error {
		for some := range slices.Chunk(ids, dropAtOnce) {
			args := []any{aggregateID, sha256.Size}
			for _, id := range some {
				args = append(args, id)
			}
			if err := dropScript.Run(ctx, s.client, keys, args...).Err(); err != nil {
				return err
			}
		}
		return nil
	})
}
