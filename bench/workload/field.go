package workload

import (
	"context"
	"errors"

	"syncline/bench/servers"
)

// field is the services that run side by side in races on one deployment.
type field struct {
	plain, now, before, pocketBase *servers.Service // before and pocketBase may be nil
}

// start starts services of the field; they are idle but for their turns.
func (l *Lab) start(ctx context.Context, d servers.Deployment, withPocketBase bool) (_ *field, err error) {
	f := &field{}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	l.Say("starting %s", d)
	if f.plain, err = l.Builder.Start(ctx, servers.Spec{Program: servers.Plain}); err != nil {
		return f, err
	}
	if f.now, err = l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: d}); err != nil {
		return f, err
	}
	f.before, err = l.Builder.Start(ctx, servers.Spec{Program: servers.Before, Deployment: d})
	if errors.Is(err, servers.ErrNoBaseline) {
		l.Say("%v", err)
		err = nil
	}
	if err != nil || !withPocketBase || !l.Peers {
		return f, err
	}
	f.pocketBase, err = l.Builder.Start(ctx, servers.Spec{Program: servers.PocketBase})
	return f, err
}

func (f *field) stop() {
	for _, s := range []*servers.Service{f.plain, f.now, f.before, f.pocketBase} {
		if s != nil {
			s.Stop()
		}
	}
}

// synclines are the builds of Syncline in the field, by their names.
func (f *field) synclines() []named {
	all := []named{{name: nowName, service: f.now}}
	if f.before != nil {
		all = append(all, named{beforeName, "before", f.before})
	}
	return all
}

// named is a service as tables name it.
type named struct {
	name      string
	yardstick string // see contender
	service   *servers.Service
}
