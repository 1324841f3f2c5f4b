package ratelimit

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/internal/clientaddr"
	"syncline/internal/contextvalue"
)

const (
	// requestCost is what a request costs its address before anything is known of
	// it: to read it, and to look at its signature.
	requestCost = 50
	// documentCost is what a document costs its address and its owner before it is
	// measured.
	documentCost = 10
	// fullRetry is when to come again after a limit of what is open at a time:
	// nobody knows when something will be closed.
	fullRetry = 5 * time.Second
	// sweepInterval is how often a table lets go of those who take nothing any more.
	sweepInterval = 30 * time.Second
)

// Options are what a Gate stands on.
type Options struct {
	// Known tells whether an owner has an account. Nil: new owners are not limited.
	Known func(ctx context.Context, owner auth.Principal) (bool, error)
	// Refused is told of each refusal: whose limit it was ("address" or "owner"),
	// and which. Nil: nobody is.
	Refused func(whose, limit string)
	// Refuse answers a request that is refused; nil: the error itself does, as the
	// GraphQL API answers.
	Refuse func(w http.ResponseWriter, r *http.Request, err *auth.Error)
	// Stays tells of other requests than WebSockets and event streams that they may stay open. Nil: none do.
	Stays func(*http.Request) bool
	// Exchange shares limits with other instances. Nil: each has its own.
	Exchange Exchange
	Log      *slog.Logger
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Gate keeps the limits of one server. It is safe for concurrent use. A nil Gate
// has none.
type Gate struct {
	addresses, owners *table
	familiar          *familiar // nil if new owners are not limited
	options           Options
	hint              sync.Once
	away              bool // what is exchanged with others; Run's
}

// New makes a Gate. Run must run beside it.
func New(limits Limits, options Options) *Gate {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Refused == nil {
		options.Refused = func(string, string) {}
	}
	if options.Stays == nil {
		options.Stays = func(*http.Request) bool { return false }
	}
	if options.Refuse == nil {
		options.Refuse = func(w http.ResponseWriter, r *http.Request, err *auth.Error) { err.ServeHTTP(w, r) }
	}
	g := &Gate{
		addresses: newTable("address", addressBounds(limits), options.Now),
		owners:    newTable("owner", ownerBounds(limits), options.Now),
		options:   options,
	}
	if limits.NewOwners > 0 && options.Known != nil {
		g.familiar = newFamiliar()
	}
	return g
}

// visit is a request, or a WebSocket: who takes what it takes.
type visit struct {
	gate    *Gate
	address string // empty: not known, without limits
	stream  bool   // it may stay open: a WebSocket, an event stream, what Options.Stays says

	mu       sync.Mutex
	owner    string // once it is verified
	releases []func()
	over     bool
}

func visitOf(ctx context.Context) *visit { return contextvalue.Of[visit](ctx) }

// Middleware keeps the limits of addresses, as the context has them
// (clientaddr.NewContext), and counts what goes in and out. It stands before any
// work is done for a request, and within what answers preflights.
func (g *Gate) Middleware(next http.Handler) http.Handler {
	if g == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, v := contextvalue.New[visit](r.Context())
		v.gate, v.stream, v.address = g, mayStay(r) || g.options.Stays(r), clientaddr.NetworkFromContext(ctx)
		if err := v.enter(); err != nil {
			g.hintAtProxy(r)
			g.options.Refuse(w, r, err)
			return
		}
		c := count(w, r, v)
		defer c.end()
		next.ServeHTTP(c, r.WithContext(ctx))
	})
}

// mayStay tells whether a request asks for a connection that stays open, as the
// transports read it.
func mayStay(r *http.Request) bool {
	return websocket.IsWebSocketUpgrade(r) || strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Header.Get("Accept"))), "text/event-stream")
}

// hintAtProxy tells an operator, once, why all clients may seem to be one.
func (g *Gate) hintAtProxy(r *http.Request) {
	address := clientaddr.FromContext(r.Context())
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
	if !forwarded || err != nil || peer.Addr().Unmap() != address {
		return
	}
	g.hint.Do(func() {
		g.options.Log.WarnContext(r.Context(), "an address is over its limit, and what it sends looks like a proxy's: if it is one of yours, name it in TRUSTED_PROXIES", "address", address.String())
	})
}

// enter judges a request by its address alone.
func (v *visit) enter() *auth.Error {
	g := v.gate
	if v.address == "" {
		return nil
	}
	if lacks, wait := g.addresses.wait(v.address, cost, bytesIn, bytesOut); wait > 0 {
		return g.refuse(g.addresses, rateNames[lacks], wait)
	}
	g.addresses.charge(v.address, cost, requestCost)
	if v.stream {
		return v.open(g.addresses, v.address)
	}
	return nil
}

// open takes a place for a connection that stays.
func (v *visit) open(t *table, key string) *auth.Error {
	if wait := t.take(key, connects); wait > 0 {
		return v.gate.refuse(t, rateNames[connects], wait)
	}
	return v.hold(t, key, connections)
}

// hold takes a place that is given back when the visit ends.
func (v *visit) hold(t *table, key string, k kind) *auth.Error {
	release, ok := t.hold(key, k)
	if !ok {
		return v.gate.refuse(t, holdNames[k], fullRetry)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		release()
	} else {
		v.releases = append(v.releases, release)
	}
	return nil
}

// end gives back what the visit held.
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
	for _, release := range v.releases {
		release()
	}
	v.releases = nil
}

// messages say what to do less of. Clients see them.
var messages = map[string]string{
	"cost":          "too much was asked for",
	"bytes_in":      "too many bytes were sent",
	"bytes_out":     "too many bytes were asked for",
	"connects":      "too many connections were opened",
	"new_owners":    "too many new owners came",
	"connections":   "too many connections are open",
	"subscriptions": "too many subscriptions are open",
}

func (g *Gate) refuse(t *table, limit string, wait time.Duration) *auth.Error {
	g.options.Refused(t.name, limit)
	by := map[string]string{"address": " from this address", "owner": " for this key"}[t.name]
	return auth.RateLimited(messages[limit]+by+": wait", wait)
}

// charge takes n from the visit's address and owner.
func (v *visit) charge(k kind, n int) {
	if n <= 0 {
		return
	}
	if v.address != "" {
		v.gate.addresses.charge(v.address, k, n)
	}
	if owner := v.ownerKey(); owner != "" {
		v.gate.owners.charge(owner, k, n)
	}
}

// Connected counts a WebSocket among those of its owner. Errors are of type *auth.Error.
func (g *Gate) Connected(ctx context.Context, owner auth.Principal) error {
	v := visitOf(ctx)
	if v == nil {
		return nil
	}
	return asError(v.belongTo(owner))
}

// belongTo tells whose visit it is, which does not change.
func (v *visit) belongTo(owner auth.Principal) *auth.Error {
	if v.ownerKey() != "" {
		return nil
	}
	key := owner.Key.String()
	if v.stream {
		if err := v.open(v.gate.owners, key); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.owner = key
	return nil
}

func (v *visit) ownerKey() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.owner
}

// Admit judges a document before it is looked at, by what its address and its
// owner have left. Errors are of type *auth.Error.
func (g *Gate) Admit(ctx context.Context) error {
	v := visitOf(ctx)
	if v == nil {
		return nil
	}
	if owner, ok := auth.FromContext(ctx); ok {
		if err := v.belongTo(owner); err != nil {
			return err
		}
		if lacks, wait := g.owners.wait(v.ownerKey(), cost, bytesIn, bytesOut); wait > 0 {
			return g.refuse(g.owners, rateNames[lacks], wait)
		}
	}
	if v.address != "" {
		if lacks, wait := g.addresses.wait(v.address, cost, bytesIn, bytesOut); wait > 0 {
			return g.refuse(g.addresses, rateNames[lacks], wait)
		}
	}
	v.charge(cost, documentCost)
	return nil
}

// Charge takes what a document costs, once that is measured. A subscription takes
// a place until ctx ends; a mutation of an owner who has no account yet begins one. Errors are
// of type *auth.Error.
func (g *Gate) Charge(ctx context.Context, kind ast.Operation, measured int) error {
	v := visitOf(ctx)
	if v == nil {
		return nil
	}
	v.charge(cost, measured)
	owner, ok := auth.FromContext(ctx)
	switch {
	case !ok:
		return nil
	case kind == ast.Subscription:
		return asError(g.subscribe(ctx, v))
	case kind == ast.Mutation:
		return asError(g.meet(ctx, v, owner))
	}
	return nil
}

func (g *Gate) subscribe(ctx context.Context, v *visit) *auth.Error {
	ofOwner, ok := g.owners.hold(v.ownerKey(), subscriptions)
	if !ok {
		return g.refuse(g.owners, holdNames[subscriptions], fullRetry)
	}
	context.AfterFunc(ctx, ofOwner)
	if v.address == "" {
		return nil
	}
	ofAddress, ok := g.addresses.hold(v.address, subscriptions)
	if !ok {
		return g.refuse(g.addresses, holdNames[subscriptions], fullRetry)
	}
	context.AfterFunc(ctx, ofAddress)
	return nil
}

// meet lets a new owner begin, if its address has not brought too many.
func (g *Gate) meet(ctx context.Context, v *visit, owner auth.Principal) *auth.Error {
	if g.familiar == nil || v.address == "" || g.familiar.has(owner.Key) {
		return nil
	}
	known, err := g.options.Known(ctx, owner)
	if err != nil {
		return nil //nolint:nilerr // the mutation meets the same failure, and can say what it means
	}
	if !known {
		if wait := g.addresses.take(v.address, newOwners); wait > 0 {
			return g.refuse(g.addresses, rateNames[newOwners], wait)
		}
	}
	g.familiar.add(owner.Key)
	return nil
}

// Pace waits while a visit's owner or address owes bytes out, or until ctx ends: a
// subscription's next event is made later then, from where its reader stands.
func (g *Gate) Pace(ctx context.Context) {
	v := visitOf(ctx)
	if v == nil {
		return
	}
	for {
		_, wait := g.owners.wait(v.ownerKey(), bytesOut)
		if v.address != "" {
			_, ofAddress := g.addresses.wait(v.address, bytesOut)
			wait = max(wait, ofAddress)
		}
		if wait == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// asError keeps a nil pointer from becoming an error.
func asError(err *auth.Error) error {
	if err == nil {
		return nil
	}
	return err
}

// Run lets go of what nobody needs any more, and exchanges figures with other
// instances, until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	if g == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(exchangeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, t := range []*table{g.addresses, g.owners} {
			t.tidy()
		}
		g.exchange(ctx)
	}
}
