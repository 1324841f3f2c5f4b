package workload

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// plain is the yardstick: requests and answers as long as Syncline's, over as
// many connections. body is what each worker sends over and over.
func plain(service *servers.Service, connections, answer int, body []byte, check load.Check) (contender, error) {
	conns := load.NewConns(plainTargets(service, answer), connections)
	owners, err := load.NewOwners(1)
	if err != nil {
		return contender{}, err
	}
	req, err := owners[0].Sign(conns[0].Endpoint(), body) // never looked at, but as long
	if err != nil {
		return contender{}, err
	}
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return repeat(ctx, conns, d, req, check)
	}
	return contender{
		name: plainName, yardstick: "plain", service: service,
		run: run, close: func() { load.CloseAll(conns) },
	}, nil
}

// plainWrites is the yardstick of writes.
func plainWrites(service *servers.Service, connections int) (contender, error) {
	return plain(service, connections, answerSize, load.Set("0-1", load.RandomData(recordSize), 0, ""), created)
}

// repeat sends one request over and over.
func repeat(ctx context.Context, conns []*load.Conn, d time.Duration, req load.Request, check load.Check) load.Outcome {
	return load.Loop(ctx, len(conns), d, func(ctx context.Context, worker int) (time.Duration, error) {
		began := time.Now()
		answer, err := conns[worker].Post(ctx, req)
		if err == nil {
			err = check(answer)
		}
		return time.Since(began), err
	})
}

const pocketBasePath = "/api/collections/records/records"

// pocketBase creates records in PocketBase, unsigned, with its defaults.
func pocketBase(ctx context.Context, service *servers.Service, connections int) (contender, error) {
	conns := load.NewConns(targets(service, pocketBasePath, ""), connections)
	before, err := countPocketBase(ctx, conns[0])
	if err != nil {
		return contender{}, err
	}
	var done, failed atomic.Int64
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		o := load.Loop(ctx, connections, d, func(ctx context.Context, worker int) (time.Duration, error) {
			req := load.Plain(pocketBaseRecord(worker))
			began := time.Now()
			answer, err := conns[worker].Post(ctx, req)
			if err == nil {
				err = hasID(answer)
			}
			return time.Since(began), err
		})
		done.Add(int64(len(o.Latencies)))
		failed.Add(int64(o.Failed()))
		return o
	}
	verify := func(ctx context.Context) error {
		n, err := countPocketBase(ctx, conns[0])
		if n -= before; err == nil && (n < done.Load() || n > done.Load()+failed.Load()) {
			err = fmt.Errorf("%d records; %d creates were acknowledged, %d failed", n, done.Load(), failed.Load())
		}
		return err
	}
	return contender{
		name: "PocketBase, unsigned", service: service,
		run: run, verify: verify, close: func() { load.CloseAll(conns) },
	}, nil
}

func pocketBaseRecord(owner int) []byte {
	return fmt.Appendf(nil, `{"owner":"%066d","data":"%s","revision":1}`,
		owner, base64.StdEncoding.EncodeToString(load.RandomData(recordSize)))
}

// countPocketBase counts the records.
func countPocketBase(ctx context.Context, conn *load.Conn) (int64, error) {
	answer, err := conn.Get(ctx, "perPage=1")
	if err != nil {
		return 0, err
	}
	var list struct{ TotalItems int64 }
	err = json.Unmarshal(answer, &list)
	return list.TotalItems, err
}

// hasID checks PocketBase's answer to a create.
func hasID(answer []byte) error {
	var created struct{ ID string }
	if err := json.Unmarshal(answer, &created); err != nil {
		return err
	}
	if created.ID == "" {
		return errors.New("a created record has no id")
	}
	return nil
}
