// Package breez serves the clients of Breez data-sync, unchanged: their gRPC,
// gRPC-Web and Connect calls become the same writes, feeds and locks as those of
// the GraphQL API. It has no rules of its own about records and locks, save two:
// a record that is absent or deleted is created whatever revision is sent, and
// tombstones are left out. Clients that are in use need both.
//
// A call carries its signature in its message. The key recovered from it is the
// owner, the same as over GraphQL; signatures.go says what is signed.
package breez

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/feed"
	"syncline/internal/budget"
	"syncline/locks"
	"syncline/pubsub"
	"syncline/record"
)

// Prefix is that of the paths of all calls.
const Prefix = "/" + syncpbconnect.SyncerName + "/"

// Stays tells whether a request is a call that may last.
func Stays(r *http.Request) bool { return r.URL.Path == syncpbconnect.SyncerListenChangesProcedure }

// maxMessageBytes bounds a message, also once it is decompressed.
const maxMessageBytes = 262_144

// minCompressed is what an answer has at least to be compressed, for those who want that.
const minCompressed = 1 << 10

// Verifier reads what has a signature within, and judges certificates.
// *auth.Verifier is one.
type Verifier interface {
	ReadBody(w http.ResponseWriter, r *http.Request, limit int64) (io.ReadCloser, *budget.Grant, error)
	Admit(ctx context.Context, authorization string, recoverKey func() (signing.PublicKey, error)) (auth.Principal, error)
	Recheck(p auth.Principal) error
}

// Limiter keeps the limits of owners and addresses. Errors are of type *auth.Error.
type Limiter interface {
	Admit(ctx context.Context) error
	Charge(ctx context.Context, kind ast.Operation, cost int) error
	// Pace waits while the call's owner or address owes bytes, or until ctx ends.
	Pace(ctx context.Context)
}

// Config is what a Service stands on.
type Config struct {
	Records *record.Service
	Feed    *feed.Feed
	Locks   *locks.Service
	Bus     pubsub.Bus // tells streams that there is more to pull
	// Pulls tells it to streams at other instances, at most PollInterval later. Nil: Bus does.
	Pulls        Pulls
	PollInterval time.Duration
	Verifier     Verifier
	Recover      signing.Recoverer
	Limiter      Limiter
	Output       *budget.Pool // memory for answers
	// MaxStreams bounds the calls of ListenChanges that are open at a time.
	MaxStreams int
	// MaxAge is how long after its first notification a stream is ended, so that its client signs again.
	MaxAge time.Duration
	// RecheckInterval is how often the certificate of a stream is judged again. Default 1 min.
	RecheckInterval time.Duration
	Log             *slog.Logger
	// Observe is told of each call: its name, duration and outcome, which is "ok", the code of an
	// error as the GraphQL API has it, "HELD" (a lock that another holds), "ended" (a stream that was
	// to end, or whose client left) or "canceled" (its client gave it up).
	Observe func(call, outcome string, took time.Duration)
	// Refused is told of the code of each call that ended with one.
	Refused func(code string)
	// Guard stands before all calls, and answers by Refuse those that it does not let through. Nil: all
	// are let through.
	Guard func(next http.Handler) http.Handler
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Service is an http.Handler for the paths below Prefix. It is safe for
// concurrent use.
type Service struct {
	Config
	guarded http.Handler // serve, behind Guard
	calls   http.Handler

	draining context.Context // ends when all streams are to
	drain    context.CancelFunc
	streams  streams
	asks     asks
}

// New makes a Service.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.RecheckInterval == 0 {
		config.RecheckInterval = time.Minute
	}
	s := &Service{Config: config, asks: asks{bus: config.Bus, counts: config.Pulls, known: make(map[record.Owner]*count)}}
	s.draining, s.drain = context.WithCancel(context.Background())
	s.guarded = http.HandlerFunc(s.serve)
	if config.Guard != nil {
		s.guarded = config.Guard(s.guarded)
	}
	_, s.calls = syncpbconnect.NewSyncerHandler(s, connect.WithReadMaxBytes(maxMessageBytes), connect.WithCompressMinBytes(minCompressed))
	return s
}

// Shutdown ends all streams, each with UNAVAILABLE, so that their clients come
// back elsewhere. It waits until they have ended or ctx has.
func (s *Service) Shutdown(ctx context.Context) error {
	s.drain()
	return s.streams.wait(ctx)
}

// Streams is how many calls of ListenChanges are open.
func (s *Service) Streams() int { return s.streams.count() }

// streams counts what is open.
type streams struct {
	mu    sync.Mutex
	open  int
	empty chan struct{} // closed when open is 0; nil while nobody waits
}

// enter opens one, unless most are open.
func (s *streams) enter(most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= most {
		return false
	}
	s.open++
	return true
}

func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.open == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *streams) wait(ctx context.Context) error {
	s.mu.Lock()
	if s.open == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
