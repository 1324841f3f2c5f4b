package workload

import (
	"context"
	"time"

	"syncline/bench/load"
)

// asking sends signed requests over HTTP that create no records.
type asking struct {
	conns []*load.Conn
	sent  *load.Supply
	check load.Check
}

// newAsking makes a contender of requests. body gives a worker's next one, owner
// who sends it.
func newAsking(s named, connections int, owner func(worker int) load.Owner, body func(worker int) []byte,
	header map[string]string, check load.Check,
) contender {
	a := askingOf(s, connections, owner, body, header, check)
	return contender{
		name: s.name, yardstick: s.yardstick, service: s.service,
		prepare: a.prepare, run: a.run, close: func() { load.CloseAll(a.conns) },
	}
}

func askingOf(s named, connections int, owner func(worker int) load.Owner, body func(worker int) []byte,
	header map[string]string, check load.Check,
) *asking {
	a := &asking{conns: load.NewConns(endpoints(s.service), connections), check: check}
	a.sent = load.NewSupply(connections, func(worker int) (load.Request, error) {
		req, err := owner(worker).Sign(a.conns[worker].Endpoint(), body(worker))
		for name, value := range header {
			req.Header.Set(name, value)
		}
		return req, err
	})
	return a
}

func (a *asking) prepare(_ context.Context, rate float64, d time.Duration) error {
	return a.sent.Fill(int(1.3*rate*d.Seconds())/len(a.conns) + 1)
}

func (a *asking) run(ctx context.Context, d time.Duration) load.Outcome {
	return load.Loop(ctx, len(a.conns), d, a.ask)
}

// ask sends a worker's next request.
func (a *asking) ask(ctx context.Context, worker int) (time.Duration, error) {
	req, err := a.sent.Next(worker)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	answer, err := a.conns[worker].Post(ctx, req)
	if err == nil {
		err = a.check(answer)
	}
	return time.Since(began), err
}

// ownerOf gives each worker an owner.
func ownerOf(owners []load.Owner) func(worker int) load.Owner {
	return func(worker int) load.Owner { return owners[worker%len(owners)] }
}
