package redislock

import (
	"cmp"
	"context"
	_ "embed" // of the scripts
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/locks"
)

// maxKeys bounds the locks of one round trip.
const maxKeys = 1000

var (
	//go:embed state.lua
	state string
	//go:embed acquire.lua
	acquireText string
	//go:embed release.lua
	releaseText string
	//go:embed read.lua
	readText string
	//go:embed fenced.lua
	fencedText string

	acquireScript = redis.NewScript(state + acquireText)
	releaseScript = redis.NewScript(state + releaseText)
	readScript    = redis.NewScript(state + readText)
	fencedScript  = redis.NewScript(state + fencedText)
)

// What acquire.lua answers.
const (
	granted    = "granted"  // joins no live holder
	upgraded   = "upgraded" // so does this; the instance's shared hold ended for it
	joined     = "joined"
	renewed    = "renewed"
	held       = "held"
	ended      = "ended" // the grant that was to be renewed
	needsToken = "token"
	stale      = "stale" // the token is not above the last one granted
)

// answer is what a script says of a lock.
type answer struct {
	outcome string
	token   locks.Token // of all holders; 0: there are none
	lock    locks.Lock
}

func (a answer) grant(instanceID string) locks.Grant {
	mine := slices.IndexFunc(a.lock.Holders, func(h locks.Holder) bool { return h.InstanceID == instanceID })
	return locks.Grant{
		Acquired:  true,
		Renewed:   a.outcome == renewed,
		Token:     a.token,
		ExpiresAt: a.lock.Holders[mine].ExpiresAt,
		Lock:      a.lock,
	}
}

// keys share the owner as their hash tag: a cluster keeps them together.
func (l *Locker) keys(key locks.Key) []string {
	tag := l.prefix + ":{" + key.Owner.String() + "}:lock:"
	return []string{tag + "x:" + key.Name, tag + "s:" + key.Name, tag + "t:" + key.Name}
}

// run runs a script on a lock that may change it.
func (l *Locker) run(ctx context.Context, script *redis.Script, key locks.Key, args ...any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	a, err := parse(key.Name, script.Run(ctx, l.client, l.keys(key), args...))
	if err != nil {
		return answer{}, unavailable(err, !refused(err))
	}
	return a, nil
}

// readSome reads locks by one round trip; by two if Redis does not know the script.
func (l *Locker) readSome(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	found, err := l.pipe(ctx, keys, readScript.EvalSha)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return l.pipe(ctx, keys, readScript.Eval)
	}
	return found, err
}

type evaluator func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func (l *Locker) pipe(ctx context.Context, keys []locks.Key, evaluate evaluator) ([]locks.Lock, error) {
	replies := make([]*redis.Cmd, len(keys))
	_, err := l.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, key := range keys {
			replies[i] = evaluate(ctx, pipe, l.keys(key))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := make([]locks.Lock, len(keys))
	for i, key := range keys {
		a, err := parse(key.Name, replies[i])
		if err != nil {
			return nil, err
		}
		found[i] = a.lock
	}
	return found, nil
}

// parse reads the list that answer in state.lua makes.
func parse(name string, reply *redis.Cmd) (answer, error) {
	fields, err := reply.StringSlice()
	if err != nil {
		return answer{}, err
	}
	if len(fields) < 4 || len(fields)%2 != 0 {
		return answer{}, fmt.Errorf("redislock: Redis answered %d fields", len(fields))
	}
	now, err := parseTime(fields[1])
	if err != nil {
		return answer{}, err
	}
	token, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return answer{}, err
	}
	a := answer{
		outcome: fields[0],
		token:   locks.Token(token),
		lock:    locks.Lock{Name: name, Exclusive: fields[2] == "1", ReadAt: now},
	}
	for pair := range slices.Chunk(fields[4:], 2) {
		expiry, err := parseTime(pair[1])
		if err != nil {
			return answer{}, err
		}
		a.lock.Holders = append(a.lock.Holders, locks.Holder{InstanceID: pair[0], Token: a.token, ExpiresAt: expiry})
	}
	slices.SortFunc(a.lock.Holders, func(a, b locks.Holder) int { return cmp.Compare(a.InstanceID, b.InstanceID) })
	return a, nil
}

func parseTime(millis string) (time.Time, error) {
	n, err := strconv.ParseInt(millis, 10, 64)
	return time.UnixMilli(n).UTC(), err
}

// refused tells whether it is certain that Redis did not carry out a command.
func refused(err error) bool {
	if _, answered := errors.AsType[redis.Error](err); answered {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout)
}

func unavailable(err error, unknown bool) error {
	return &locks.UnavailableError{RetryAfter: retryAfter, OutcomeUnknown: unknown, Err: err}
}
