package workload

import (
	"context"
	"fmt"

	"syncline/bench/load"
)

// batchRecords is how many records a batch writes: as many as the limits allow.
const batchRecords = 100

// batches are durable writes of new records, a hundred in each request.
var batches = Workload{
	Name:     "batches",
	About:    "new records, 100 in each request, over HTTP",
	Headline: recordsFigure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, size := range []int{200, recordSize} {
			err := l.onEach(ctx, "batches", fmt.Sprintf("records of %d B", size), basic, func(f *field) ([]contender, error) {
				return f.batches(ctx, size, l.most())
			})
			if err != nil {
				return err
			}
		}
		return nil
	},
}

func (f *field) batches(ctx context.Context, size, connections int) ([]contender, error) {
	ids := make([]string, batchRecords)
	yardstick, err := plain(f.plain, connections, answerSize, load.Batch(ids, load.RandomData(size)), created)
	if err != nil {
		return nil, err
	}
	contenders := []contender{yardstick}
	for _, s := range f.synclines() {
		c, err := batching(ctx, s, size, connections)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

// batching is the contender that writes batches, of an owner on each connection.
func batching(ctx context.Context, s named, size, connections int) (contender, error) {
	w, err := newWriters(s.service, connections, false)
	if err != nil {
		return contender{}, err
	}
	w.records, w.size = batchRecords, size
	return w.contender(ctx, s)
}
