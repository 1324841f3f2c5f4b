package workload

import (
	"context"
	"fmt"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// breez are the calls of Breez data-sync's clients beside the same by GraphQL, to one server.
var breez = Workload{
	Name:     "breez",
	About:    "writes and pages by gRPC, as Breez data-sync's clients have it, beside signed GraphQL over HTTP",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if !basic(d) {
				continue
			}
			if err := l.breezOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

func (l *Lab) breezOn(ctx context.Context, d servers.Deployment) error {
	l.Say("starting %s", d)
	service, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: d, Env: []string{"BREEZ_COMPATIBILITY=true"}})
	if err != nil {
		return err
	}
	defer service.Stop()
	graphQL := named{name: "GraphQL", yardstick: "GraphQL", service: service}
	gRPC := named{name: "gRPC", service: service}
	owners, err := load.NewOwners(1)
	if err != nil {
		return err
	}
	if err := fill(ctx, endpoints(service)[0], owners[0], "page-", 0, pageRecords, recordSize); err != nil {
		return err
	}
	for _, connections := range l.Size.Connections {
		name := fmt.Sprintf("%s, writes, an owner each, connections: %d", d, connections)
		byGraphQL, err := writing{}.on(ctx, graphQL, connections)
		if err != nil {
			return err
		}
		byGRPC, err := newCallers(ctx, gRPC, connections)
		if err != nil {
			return err
		}
		if err := l.race(ctx, "breez", name, []contender{byGraphQL, byGRPC}); err != nil {
			return err
		}
		pages, err := newListing(gRPC, connections, owners[0])
		if err != nil {
			return err
		}
		name = fmt.Sprintf("%s, pages of %d records, connections: %d", d, pageRecords, connections)
		if err := l.race(ctx, "breez", name, []contender{
			newAsking(graphQL, connections, ownerOf(owners), func(int) []byte { return load.Changes("", pageRecords) },
				map[string]string{"Accept-Encoding": "identity"}, load.EndsWith(`"hasMore":false`)),
			pages,
		}); err != nil {
			return err
		}
	}
	return nil
}

// newCallers makes a contender that writes by gRPC, an owner for each connection.
func newCallers(ctx context.Context, s named, connections int) (contender, error) {
	w, err := newWriters(s.service, connections, false)
	if err != nil {
		return contender{}, err
	}
	load.CloseAll(w.conns)
	if w.conns, err = load.NewGRPCConns(targets(s.service, load.GRPC("SetRecord"), ""), connections); err != nil {
		return contender{}, err
	}
	w.sent = load.NewSupply(connections, func(worker int) (load.Request, error) {
		return w.owner(worker).SetCall(w.nextID(worker), load.RandomData(recordSize))
	})
	w.created = load.WasSet
	return w.contender(ctx, s)
}

// newListing makes a contender that reads pages by gRPC.
func newListing(s named, connections int, owner load.Owner) (contender, error) {
	conns, err := load.NewGRPCConns(targets(s.service, load.GRPC("ListChanges"), ""), connections)
	if err != nil {
		return contender{}, err
	}
	a := &asking{conns: conns}
	a.check = func(answer []byte) error { // one of full length is not decoded: that would cost more than it cost the server
		if len(answer) < pageRecords*recordSize {
			return load.HasChanges(answer, pageRecords)
		}
		return nil
	}
	a.sent = load.NewSupply(connections, func(int) (load.Request, error) { return owner.ListCall() })
	return contender{name: s.name, service: s.service, prepare: a.prepare, run: a.run, close: func() { load.CloseAll(a.conns) }}, nil
}
