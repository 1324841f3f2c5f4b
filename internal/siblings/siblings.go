// Package siblings keeps an instance from serving another database than the other
// instances of its deployment do.
//
// Those have one thing in common that does not depend on the database: Redis. It
// keeps, at PREFIX:{database}:epochs, the epochs of the database that is served, for
// as long as an instance that serves it is there and half a minute longer. If Redis loses
// them, those who serve say it again before an instance that did not may.
package siblings

import (
	"context"
	_ "embed" // of the script
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// claimTime bounds one attempt to ask Redis and the database.
	claimTime = 2 * time.Second
	// lasts is for how long a claim stands without another, in case all others are gone
	// for good.
	lasts = 30 * time.Second
	// Every so often a claim is made: again, and while others stand against it.
	renewEvery, retryEvery = 5 * time.Second, time.Second
	// absence is for how long there must be no claim, without a break, before an instance
	// takes the place of those that served another database: one that is still there has
	// renewed its claim by then, also if Redis came back empty.
	absence = 2*renewEvery + claimTime
)

//go:embed claim.lua
var claimText string

var claimScript = redis.NewScript(claimText)

// errDiffers is what an operator reads.
var errDiffers = errors.New("this instance's database is not the one that others on this Redis serve")

// Claim is that an instance serves the database of its deployment. Make one with
// New.
type Claim struct {
	client redis.UniversalClient
	key    string
	epochs func(context.Context) ([]string, error)
	log    *slog.Logger
	now    func() time.Time
	wait   time.Duration // claimTime, save in tests

	differs atomic.Bool
	// When a claim was found to be missing, first and last of the times without a break.
	absentSince, absentLast time.Time
}

// New makes a claim that is not made yet. epochs reads those of the database.
func New(client redis.UniversalClient, prefix string, epochs func(context.Context) ([]string, error), log *slog.Logger) *Claim {
	return &Claim{client: client, key: prefix + ":{database}:epochs", epochs: epochs, log: log, now: time.Now, wait: claimTime}
}

// Make makes the claim once, and takes note of whether others stand against it. While
// Redis or the database cannot be asked, what was known holds. Calls do not overlap.
func (c *Claim) Make(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	said, err := c.ask(ctx)
	if err == nil && said == another { // others may have seen a new epoch since ours were read
		said, err = c.ask(ctx)
	}
	now := c.now()
	if said != absent || now.Sub(c.absentLast) > renewEvery { // this process may have been stopped
		c.absentSince = now
	}
	if said == absent {
		c.absentLast = now
	}
	if err != nil {
		c.log.DebugContext(ctx, "cannot tell whether siblings serve the same database", "error", err)
		return
	}
	if said == absent {
		return
	}
	differs := said == another
	switch was := c.differs.Swap(differs); {
	case differs && !was:
		c.log.ErrorContext(ctx, "not ready: "+errDiffers.Error()+". Is DATABASE_URL right? After a restore all instances have to be stopped first. Two deployments on one Redis need a REDIS_PREFIX each", "waits", lasts+absence)
	case was && !differs:
		c.log.InfoContext(ctx, "the database is the one that siblings serve")
	}
}

// What the script says, other than that the claim stands.
const absent, another = "absent", "another"

func (c *Claim) ask(ctx context.Context) (said string, err error) {
	epochs, err := c.epochs(ctx)
	if err != nil {
		return "", err
	}
	list := strings.Join(epochs, " ") + " "
	now, mayBegin := c.now(), 0
	if !c.differs.Load() || now.Sub(c.absentLast) <= renewEvery && now.Sub(c.absentSince) >= absence {
		mayBegin = 1
	}
	said, err = claimScript.Run(ctx, c.client, []string{c.key}, list, lasts.Milliseconds(), mayBegin).Text()
	return said, err
}

// Run keeps the claim up until ctx ends, and returns its error.
func (c *Claim) Run(ctx context.Context) error {
	for {
		every := renewEvery
		if c.differs.Load() {
			every = retryEvery
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			c.Make(ctx)
		}
	}
}

// Probe fails while others serve another database.
func (c *Claim) Probe(context.Context) error {
	if c.differs.Load() {
		return errDiffers
	}
	return nil
}

// Middleware has refusal answer while others serve another database: what is written
// here would be looked for there. Not every balancer asks who is ready.
func (c *Claim) Middleware(refusal, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.differs.Load() {
			refusal.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
