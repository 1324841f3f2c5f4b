// Package siblings keeps an instance from serving another database than the other
// instances of its deployment do.
//
// Those have one thing in common that does not depend on the database: Redis. It
// keeps, at PREFIX:{database}:epochs, the epochs of the database that is served, for
// as long as an instance that serves it is there and half a minute longer.
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

	differs atomic.Bool
}

// New makes a claim that is not made yet. epochs reads those of the database.
func New(client redis.UniversalClient, prefix string, epochs func(context.Context) ([]string, error), log *slog.Logger) *Claim {
	return &Claim{client: client, key: prefix + ":{database}:epochs", epochs: epochs, log: log}
}

// Make makes the claim once, and takes note of whether others stand against it. While
// Redis or the database cannot be asked, what was known holds.
func (c *Claim) Make(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	differs, err := c.ask(ctx)
	if err == nil && differs { // others may have seen a new epoch since ours were read
		differs, err = c.ask(ctx)
	}
	if err != nil {
		c.log.DebugContext(ctx, "cannot tell whether siblings serve the same database", "error", err)
		return
	}
	switch was := c.differs.Swap(differs); {
	case differs && !was:
		c.log.ErrorContext(ctx, "not ready: "+errDiffers.Error()+". Is DATABASE_URL right? After a restore all instances have to be stopped first. Two deployments on one Redis need a REDIS_PREFIX each", "waits", lasts)
	case was && !differs:
		c.log.InfoContext(ctx, "the database is the one that siblings serve")
	}
}

func (c *Claim) ask(ctx context.Context) (differs bool, err error) {
	epochs, err := c.epochs(ctx)
	if err != nil {
		return false, err
	}
	list := strings.Join(epochs, " ") + " "
	said, err := claimScript.Run(ctx, c.client, []string{c.key}, list, lasts.Milliseconds()).Text()
	return said != "", err
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
