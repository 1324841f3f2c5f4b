package workload

import (
	"context"
	"fmt"

	"syncline/bench/kv"
	"syncline/bench/servers"
)

// stores are those that are compared in one run: Syncline, with signatures and
// without, and other makers' servers, which ask for none.
type stores struct {
	plain     *servers.Service
	synclines []named
	others    []other
}

// other is another maker's server.
type other struct {
	named
	dial kv.Dial
}

// storeSpec is how a store is started, and how tables name it.
type storeSpec struct {
	name string
	servers.Spec
}

// synclineSpecs are Syncline's builds on each basic deployment.
func (l *Lab) synclineSpecs() []storeSpec {
	var specs []storeSpec
	for _, d := range l.Deployments {
		if basic(d) {
			specs = append(specs,
				storeSpec{fmt.Sprintf("Syncline, %s", d), servers.Spec{Program: servers.Now, Deployment: d}},
				storeSpec{fmt.Sprintf("Syncline, %s, unsigned", d), servers.Spec{Program: servers.Unsigned, Deployment: d}})
		}
	}
	return specs
}

// keyValueSpecs are other makers' key-value stores, each with its default for syncs, and
// one run with a sync for each commit where that is not the default.
func keyValueSpecs() []storeSpec {
	return []storeSpec{
		{"etcd (syncs each commit)", servers.Spec{Program: servers.Etcd}},
		{"NATS KV (syncs every 2 minutes)", servers.Spec{Program: servers.NATS}},
		{"NATS KV (syncs each write)", servers.Spec{Program: servers.NATS, SyncEach: true}},
	}
}

// watchedSpecs are those, and what has watchers and a history, but no keys.
func watchedSpecs() []storeSpec {
	return append(keyValueSpecs(), storeSpec{"Centrifuge (in memory)", servers.Spec{Program: servers.Centrifuge}})
}

// onStores starts Syncline and others for a workload. It does nothing where other makers'
// programs take no part.
func (l *Lab) onStores(ctx context.Context, others []storeSpec, run func(*stores) error) (err error) {
	if !l.Peers {
		return nil
	}
	s := &stores{}
	defer s.stop()
	l.Say("starting Syncline and %d others", len(others))
	if s.plain, err = l.Builder.Start(ctx, servers.Spec{Program: servers.Plain}); err != nil {
		return err
	}
	for _, spec := range l.synclineSpecs() {
		service, err := l.Builder.Start(ctx, spec.Spec)
		if err != nil {
			return fmt.Errorf("start %s: %w", spec.name, err)
		}
		s.synclines = append(s.synclines, named{name: spec.name, service: service})
	}
	for _, spec := range others {
		o, err := l.startOther(ctx, spec)
		if err != nil {
			return fmt.Errorf("start %s: %w", spec.name, err)
		}
		s.others = append(s.others, o)
	}
	return run(s)
}

func (l *Lab) startOther(ctx context.Context, spec storeSpec) (other, error) {
	service, err := l.Builder.Start(ctx, spec.Spec)
	if err != nil {
		return other{}, err
	}
	o := other{named: named{name: spec.name, service: service}}
	switch spec.Program {
	case servers.Etcd:
		o.dial = kv.Etcd(service.Addresses[0])
		return o, nil
	case servers.Centrifuge:
		o.dial = kv.Centrifuge(service.Addresses[0])
		return o, nil
	}
	o.dial, err = kv.NATS(ctx, service.Addresses[0])
	if err != nil {
		service.Stop()
	}
	return o, err
}

func (s *stores) stop() {
	if s.plain != nil {
		s.plain.Stop()
	}
	for _, c := range s.synclines {
		c.service.Stop()
	}
	for _, o := range s.others {
		o.service.Stop()
	}
}

// dialAll opens so many connections.
func (o other) dialAll(ctx context.Context, n int) ([]kv.Conn, error) {
	var conns []kv.Conn
	for range n {
		c, err := o.dial(ctx)
		if err != nil {
			closeConns(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeConns(conns []kv.Conn) {
	for _, c := range conns {
		c.Close()
	}
}
