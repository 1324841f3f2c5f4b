package breez

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/breez/syncpb"
	"syncline/feed"
	"syncline/pubsub"
	"syncline/record"
)

// sendTimeout is how long a client may take nothing of what its stream has for it.
const sendTimeout = 30 * time.Second

// ListenChanges implements syncpbconnect.SyncerHandler. It tells once that the
// subscription stands, for clients begin their first pull by it, and then of each
// change, by anybody. It ends with an error always: some clients do not come back
// after OK.
func (s *Service) ListenChanges(ctx context.Context, request *connect.Request[syncpb.ListenChangesRequest], stream *connect.ServerStream[syncpb.Notification]) error {
	in := request.Msg
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil) // gives back the place that Charge took
	ctx, p, err := verify(ctx, s, request.Header(), in, listenChangesText, ast.Subscription, visitCost)
	if err != nil {
		return s.fail(ctx, err)
	}
	if !s.streams.enter(s.MaxStreams) {
		return s.fail(ctx, failed(connect.CodeUnavailable, codeUnavailable, "too many streams are open: listen again later"))
	}
	defer s.streams.leave()
	callOf(ctx).release() // its message is read, and it may last
	callOf(ctx).untimed()
	defer context.AfterFunc(s.draining, func() { end(ended("the server is going away")) })()
	err = s.follow(ctx, end, p, stream)
	if ctx.Err() != nil { // whatever that came to
		err = context.Cause(ctx)
		if _, own := errors.AsType[*failure](err); !own {
			err = ended("the call was given up")
		}
	}
	return s.fail(ctx, err)
}

// follow tells of changes until ctx ends, or the stream has to for another reason. By end
// it ends ctx also while the stream waits.
func (s *Service) follow(ctx context.Context, end context.CancelCauseFunc, p auth.Principal, stream *connect.ServerStream[syncpb.Notification]) error {
	l, err := s.listen(ctx, end, p, stream)
	if err != nil {
		return err
	}
	defer l.close()
	rechecked := make(chan struct{})
	defer close(rechecked)
	go l.recheck(rechecked)
	return l.run(ctx)
}

// listener is one stream.
type listener struct {
	service   *Service
	end       context.CancelCauseFunc
	old       *time.Timer // ends the stream; nil until it was told something
	principal auth.Principal
	stream    *connect.ServerStream[syncpb.Notification]
	changes   *feed.Follower
	told      record.Revision // of the newest change that it was told of
	pulls     pubsub.Subscription
	woken     chan struct{} // holds one word that changes or pulls have something
}

func (s *Service) listen(ctx context.Context, end context.CancelCauseFunc, p auth.Principal, stream *connect.ServerStream[syncpb.Notification]) (*listener, error) {
	owner := record.Owner(p.Key)
	pulls, err := s.asks.subscribe(ctx, owner)
	if err != nil {
		return nil, err
	}
	changes, err := s.Feed.Follow(ctx, owner, nil)
	if err != nil {
		pulls.Close()
		return nil, err
	}
	l := &listener{service: s, end: end, principal: p, stream: stream, changes: changes, pulls: pulls, woken: make(chan struct{}, 1)}
	changes.Notify(l.wake)
	pulls.Notify(l.wake)
	return l, nil
}

func (l *listener) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

func (l *listener) close() {
	if l.old != nil {
		l.old.Stop()
	}
	l.changes.Close()
	l.pulls.Close()
}

// ended is how a stream ends whose client is to listen again.
func ended(why string) error {
	return failed(connect.CodeUnavailable, outcomeEnded, why+": listen again")
}

// recheck ends the stream if its certificate does not serve any more, until done is closed.
func (l *listener) recheck(done <-chan struct{}) {
	due := time.NewTicker(l.service.RecheckInterval)
	defer due.Stop()
	for {
		select {
		case <-due.C:
			if err := l.service.Verifier.Recheck(l.principal); err != nil {
				l.end(describe(err))
				return
			}
		case <-done:
			return
		}
	}
}

// run tells of changes until ctx ends or something fails, and answers what.
func (l *listener) run(ctx context.Context) error {
	for {
		if err := l.tell(ctx); err != nil {
			return err
		}
		select {
		case <-l.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell sends what is there to tell. Changes that wait may share a notification if
// the same device made them, or none that is known.
func (l *listener) tell(ctx context.Context) error {
	var waiting *syncpb.Notification
	send := func() error {
		if waiting == nil {
			return nil
		}
		next := waiting
		waiting = nil
		return l.send(ctx, next)
	}
	for {
		event, ok, err := l.changes.Poll(ctx)
		switch {
		case errors.Is(err, feed.ErrClosed):
			return ended("the stream has ended")
		case isCut(err): // by an erasure or a restore, of which these clients know nothing
			return ended("what was followed is gone")
		case err != nil:
			return err
		case !ok:
			if err := send(); err != nil {
				return err
			}
			return l.tellToPull(ctx)
		}
		for _, next := range l.notificationsOf(event) {
			if waiting != nil && waiting.GetClientId() != next.GetClientId() {
				if err := send(); err != nil {
					return err
				}
			}
			waiting = next
		}
	}
}

func isCut(err error) bool {
	_, tooOld := errors.AsType[*record.CursorTooOldError](err)
	_, otherEpoch := errors.AsType[*record.EpochMismatchError](err)
	return tooOld || otherEpoch
}

// notificationsOf an event is one: of the device that made the change, or of none where that gave no
// name, and for the event that the subscription stands. Changes before it that the feed left out, because
// their records were changed again since, have one of none: whose they were is not known, and a device that
// passes over notifications of its own must not pass over those.
func (l *listener) notificationsOf(event feed.Event) []*syncpb.Notification {
	leftOut := event.Record != nil && event.Record.Revision > l.told+1
	l.told = event.Cursor.Position()
	if event.Record == nil || event.Record.ClientID == "" {
		return []*syncpb.Notification{{}}
	}
	named := &syncpb.Notification{ClientId: &event.Record.ClientID}
	if leftOut {
		return []*syncpb.Notification{{}, named}
	}
	return []*syncpb.Notification{named}
}

// tellToPull tells, if somebody asked for it, that there is more to pull.
func (l *listener) tellToPull(ctx context.Context) error {
	select {
	case _, open := <-l.pulls.Hints():
		if !open {
			return ended("the stream has ended")
		}
		return l.send(ctx, &syncpb.Notification{})
	default:
		return nil
	}
}

// send sends a notification, unless the stream is to end, and waits while its owner or address
// owes bytes. A client that takes nothing is cut off: it comes back and is told to pull.
func (l *listener) send(ctx context.Context, n *syncpb.Notification) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	sent := callOf(ctx).within(sendTimeout)
	err := l.stream.Send(n)
	sent()
	if err != nil {
		return ended("the client takes nothing")
	}
	if l.old == nil { // its client has heard that the subscription stands, so that it will come back
		l.old = time.AfterFunc(l.service.MaxAge, func() { l.end(ended("the stream has become old")) })
	}
	l.service.Limiter.Pace(ctx)
	return nil
}
