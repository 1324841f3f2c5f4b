package kv

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	recordsBucket = "records"
	locksBucket   = "locks"
)

// NATS makes buckets in a NATS server with JetStream at host:port, and connects to it.
func NATS(ctx context.Context, address string) (Dial, error) {
	c, err := connect(address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, config := range []jetstream.KeyValueConfig{
		{Bucket: recordsBucket},
		{Bucket: locksBucket, LimitMarkerTTL: lockTTL}, // keys may have a time to live
	} {
		if _, err := c.js.CreateKeyValue(ctx, config); err != nil {
			return nil, fmt.Errorf("create the bucket %s: %w", config.Bucket, err)
		}
	}
	return func(ctx context.Context) (Conn, error) {
		c, err := connect(address)
		if err != nil {
			return nil, err
		}
		if c.records, err = c.js.KeyValue(ctx, recordsBucket); err == nil {
			c.locks, err = c.js.KeyValue(ctx, locksBucket)
		}
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("open a bucket of NATS: %w", err)
		}
		return c, nil
	}, nil
}

type natsConn struct {
	nc             *nats.Conn
	js             jetstream.JetStream
	records, locks jetstream.KeyValue
}

func connect(address string) (*natsConn, error) {
	nc, err := nats.Connect("nats://"+address, nats.Timeout(30*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &natsConn{nc: nc, js: js}, nil
}

func (c *natsConn) Close() { c.nc.Close() }

func (c *natsConn) Create(ctx context.Context, key string, value []byte) error {
	_, err := c.records.Create(ctx, key, value)
	return err
}

func (c *natsConn) Fill(ctx context.Context, prefix string, n int, value []byte) error {
	for i := range n {
		if _, err := c.js.PublishAsync("$KV."+recordsBucket+"."+prefix+"."+strconv.Itoa(i), value, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-c.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *natsConn) Count(ctx context.Context) (int64, error) {
	status, err := c.records.Status(ctx)
	if err != nil {
		return 0, err
	}
	return int64(status.Values()), nil
}

func (c *natsConn) Watch(ctx context.Context, prefix string, changed func(at time.Time)) error {
	w, err := c.records.Watch(ctx, prefix+".>", jetstream.UpdatesOnly())
	if err != nil {
		return err
	}
	go func() {
		for entry := range w.Updates() {
			if entry != nil {
				changed(time.Now())
			}
		}
	}()
	return nil
}

func (c *natsConn) CatchUp(ctx context.Context, prefix string, n int) error {
	w, err := c.records.Watch(ctx, prefix+".>", jetstream.IncludeHistory())
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok || entry == nil && n > 0 { // nil is where the present begins
				return errEnded
			}
			if n--; n <= 0 {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *natsConn) Lock(ctx context.Context, name string) (unlock func(context.Context) error, err error) {
	revision, err := c.locks.Create(ctx, name, nil, jetstream.KeyTTL(lockTTL))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTaken, err)
	}
	return func(ctx context.Context) error {
		return c.locks.Delete(ctx, name, jetstream.LastRevision(revision))
	}, nil
}
