package main

import (
	"context"
	"fmt"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

// recorder resolves conflicts by the last write, and tells the page how.
type recorder struct {
	device   string
	activity *activity
}

// Resolve implements synckit.ConflictResolver.
func (r *recorder) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	kept, err := resolve.LastWriteWins{}.Resolve(ctx, local, remote)
	if err != nil {
		return nil, err
	}
	r.activity.add(line{
		Kind: "conflict", Device: r.device, Aggregate: local[0].Event.AggregateID(),
		Text: fmt.Sprintf("“%s” met “%s”: the last write wins, “%s”", text(local), text(remote), text(kept)),
	})
	return kept, nil
}
