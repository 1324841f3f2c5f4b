package redisbus

import (
	"context"
	"errors"
)

var errAway = errors.New("redisbus: no connection that hears other instances")

// Probe tells whether hints pass between instances now: whether the connection that
// hears them stands, and Redis takes what is published.
func (b *Bus) Probe(ctx context.Context) error {
	if b.Away() {
		return errAway
	}
	return b.client.Publish(ctx, b.probeChannel(), b.id).Err()
}

// probeChannel is a channel like any other, which shows whether they may be heard.
func (b *Bus) probeChannel() string { return b.prefix + ":{probe}:hints" }
