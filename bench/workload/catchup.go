package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"syncline/bench/kv"
	"syncline/bench/load"
)

// catchUpSize is how much data records have that are caught up on, in bytes.
const catchUpSize = 200

// catchUp reads all changes from the first on, on one connection: Syncline's in
// pages over a WebSocket, Centrifuge's in pages of its history, and the others' by a watch
// from the first revision.
var catchUp = Workload{
	Name:     "catchup",
	About:    "all changes of 200 B from the first on, on one connection, beside etcd, NATS and Centrifuge",
	Headline: recordsFigure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onStores(ctx, watchedSpecs(), func(s *stores) error {
			contenders, err := s.catchingUp(ctx, l.Size.CatchUp)
			if err != nil {
				return err
			}
			return l.race(ctx, "catchup", fmt.Sprintf("changes: %d", l.Size.CatchUp), contenders)
		})
	},
}

func (s *stores) catchingUp(ctx context.Context, n int) ([]contender, error) {
	var contenders []contender
	add := func(s named, read func(context.Context) error, closeAll func()) {
		contenders = append(contenders, contender{
			name: s.name, service: s.service, records: n, close: closeAll,
			run: func(ctx context.Context, d time.Duration) load.Outcome {
				return load.Loop(ctx, 1, d, func(ctx context.Context, _ int) (time.Duration, error) {
					began := time.Now()
					err := read(ctx)
					return time.Since(began), err
				})
			},
		})
	}
	for _, store := range s.synclines {
		socket, err := filledOwner(ctx, store, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.name, err)
		}
		add(store, func(ctx context.Context) error { return readPages(ctx, socket, n) }, socket.Close)
	}
	for _, o := range s.others {
		conn, err := o.filled(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		add(o.named, func(ctx context.Context) error { return conn.CatchUp(ctx, "history", n) }, conn.Close)
	}
	return contenders, nil
}

// filledOwner is the connection of an owner with n records.
func filledOwner(ctx context.Context, s named, n int) (*load.Socket, error) {
	owners, err := load.NewOwners(1)
	if err != nil {
		return nil, err
	}
	endpoint := endpoints(s.service)[0]
	if err := fill(ctx, endpoint, owners[0], "history-", 0, n, catchUpSize); err != nil {
		return nil, err
	}
	return load.Dial(ctx, endpoint, owners[0])
}

func (o other) filled(ctx context.Context, n int) (kv.Conn, error) {
	conn, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := conn.Fill(ctx, "history", n, load.RandomData(catchUpSize)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// readPages reads an owner's changes, decoded, and expects n of them.
func readPages(ctx context.Context, socket *load.Socket, n int) error {
	cursor, seen := "", 0
	for more := true; more; {
		err := socket.Do(ctx, load.Changes(cursor, pageRecords), func(answer []byte) error {
			var page struct {
				Data struct {
					Changes struct {
						Records []struct {
							ID   string
							Data []byte
						}
						Cursor  string
						HasMore bool
					}
				}
			}
			if err := json.Unmarshal(answer, &page); err != nil {
				return err
			}
			c := page.Data.Changes
			seen += len(c.Records)
			cursor, more = c.Cursor, c.HasMore && len(c.Records) > 0
			return nil
		})
		if err != nil {
			return err
		}
	}
	if seen != n {
		return fmt.Errorf("there were %d changes, not %d", seen, n)
	}
	return nil
}
