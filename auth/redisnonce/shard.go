package redisnonce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // of the script
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/auth/signing"
)

// shards is how many parts the memory has, each with its own beginning. Those of
// a cluster are spread over its nodes, any one of which may forget by itself.
const shards = 16

//go:embed remember.lua
var rememberText string

var rememberScript = redis.NewScript(rememberText)

// answer is what Redis says of a nonce and of the shard that it belongs to.
type answer struct {
	isNew bool
	age   time.Duration // since the shard's memory began
	began bool          // just now
}

// remember tells Redis of a nonce that matters until a time.
func (n *Nonces) remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) (answer, error) {
	sum := sha256.Sum256(append(key[:], nonce[:]...)) // nobody can find another's
	shard := int(sum[16]) % shards
	name := n.shardPrefix(shard) + hex.EncodeToString(sum[:16])
	ttl := max(until.Sub(n.now())+clockSkew, time.Second)
	ctx, cancel := context.WithTimeout(ctx, n.wait)
	defer cancel()
	return read(rememberScript.Run(ctx, n.client, []string{n.beginning(shard), name}, n.kept.Milliseconds(), rand.Text(), ttl.Milliseconds()))
}

// begin has the memory of all shards begin that are empty, or lack what another
// server knew, and tells whether there were any. One request asks for all, so that
// the next ones do not find one after the other.
func (n *Nonces) begin(ctx context.Context) (began bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.wait)
	defer cancel()
	pipeline := n.client.Pipeline()
	replies := make([]*redis.Cmd, shards)
	for shard := range replies {
		replies[shard] = rememberScript.Eval(ctx, pipeline, []string{n.beginning(shard)}, n.kept.Milliseconds())
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return false, err
	}
	for _, reply := range replies {
		a, err := read(reply)
		if err != nil {
			return began, err
		}
		began = began || a.began
	}
	return began, nil
}

func read(reply *redis.Cmd) (answer, error) {
	numbers, err := reply.Int64Slice()
	if err != nil {
		return answer{}, err
	}
	if len(numbers) != 3 {
		return answer{}, fmt.Errorf("the script answered %d numbers", len(numbers))
	}
	return answer{
		isNew: numbers[0] == 1,
		age:   time.Duration(numbers[1]) * time.Millisecond,
		began: numbers[2] == 1,
	}, nil
}

func (n *Nonces) beginning(shard int) string { return n.shardPrefix(shard) + "beginning" }

// shardPrefix keeps what belongs together in one slot of a cluster.
func (n *Nonces) shardPrefix(shard int) string {
	return fmt.Sprintf("%s:nonce:{%x}:", n.prefix, shard)
}
