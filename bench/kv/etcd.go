package kv

import (
	"context"
	"fmt"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// Etcd connects to an etcd at host:port.
func Etcd(address string) Dial {
	return func(ctx context.Context) (Conn, error) {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{address}, Context: context.WithoutCancel(ctx),
			// Thousands may be idle.
			DialOptions: []grpc.DialOption{grpc.WithReadBufferSize(1 << 10)},
		})
		if err != nil {
			return nil, fmt.Errorf("connect to etcd: %w", err)
		}
		return &etcd{client}, nil
	}
}

type etcd struct{ client *clientv3.Client }

func (e *etcd) Close() { _ = e.client.Close() }

func (e *etcd) Create(ctx context.Context, key string, value []byte) error {
	res, err := e.create(ctx, clientv3.OpPut(key, string(value)), key)
	if err == nil && !res.Succeeded {
		err = errExists
	}
	return err
}

// create puts a key unless it is there.
func (e *etcd) create(ctx context.Context, put clientv3.Op, key string) (*clientv3.TxnResponse, error) {
	return e.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(put).Commit()
}

func (e *etcd) Fill(ctx context.Context, prefix string, n int, value []byte) error {
	const batch = 100 // of 128 that one transaction may have
	for i := 0; i < n; {
		var puts []clientv3.Op
		for ; i < n && len(puts) < batch; i++ {
			puts = append(puts, clientv3.OpPut(prefix+"."+strconv.Itoa(i), string(value)))
		}
		if _, err := e.client.Txn(ctx).Then(puts...).Commit(); err != nil {
			return err
		}
	}
	return nil
}

// locksPrefix keeps locks apart from what is counted.
const locksPrefix = "\x01"

func (e *etcd) Count(ctx context.Context) (int64, error) {
	res, err := e.client.Get(ctx, "\x02", clientv3.WithFromKey(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return res.Count, nil
}

func (e *etcd) Watch(ctx context.Context, prefix string, changed func(at time.Time)) error {
	events := e.client.Watch(ctx, prefix+".", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	first, ok := <-events
	if !ok {
		return errEnded
	}
	if err := first.Err(); err != nil {
		return err
	}
	go func() {
		for res := range events {
			at := time.Now()
			for range res.Events {
				changed(at)
			}
		}
	}()
	return nil
}

func (e *etcd) CatchUp(ctx context.Context, prefix string, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for res := range e.client.Watch(ctx, prefix+".", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		if err := res.Err(); err != nil {
			return err
		}
		if n -= len(res.Events); n <= 0 {
			return nil
		}
	}
	return errEnded
}

func (e *etcd) Lock(ctx context.Context, name string) (unlock func(context.Context) error, err error) {
	lease, err := e.client.Grant(ctx, int64(lockTTL/time.Second))
	if err != nil {
		return nil, err
	}
	unlock = func(ctx context.Context) error {
		_, err := e.client.Revoke(ctx, lease.ID)
		return err
	}
	key := locksPrefix + name
	res, err := e.create(ctx, clientv3.OpPut(key, "", clientv3.WithLease(lease.ID)), key)
	if err == nil && !res.Succeeded {
		err = errTaken
	}
	return unlock, err
}
