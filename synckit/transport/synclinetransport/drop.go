package synclinetransport

import (
	"context"
	stderrors "errors"
	"slices"

	"syncline/client"
)

// maxDropped is how many records are deleted in one request.
const maxDropped = 100

// Drop implements synckit.DroppingTransport: it deletes the records. The server keeps a tombstone
// of each for as long as it is configured to.
func (t *Transport) Drop(ctx context.Context, ids []string) error {
	ctx, release, err := t.lifetime.Begin(ctx, "drop")
	if err != nil {
		return err
	}
	defer release()
	limits, err := t.serverLimits(ctx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ids, max(1, min(maxDropped, limits.MaxBatch))) {
		err := t.call(ctx, "drop", func(ctx context.Context) error { return t.drop(ctx, some) })
		if err != nil {
			return err
		}
	}
	return nil
}

// drop deletes those records that are there. One that changes meanwhile was deleted by somebody else, or written
// again: then it looks once more.
func (t *Transport) drop(ctx context.Context, ids []string) error {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = recordID(id)
	}
	for {
		records, err := t.client.GetMany(ctx, names...)
		if err != nil {
			return err
		}
		var writes []client.Write
		for _, r := range records {
			if r != nil && isEvent(*r) {
				writes = append(writes, client.Write{ID: r.ID, Revision: r.Revision, Delete: true})
			}
		}
		if len(writes) == 0 {
			return nil
		}
		if _, err = t.client.Write(ctx, writes); !stderrors.Is(err, client.ErrConflict) {
			return err
		}
	}
}
