package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"syncline/client"
	"syncline/cmd/syncctl/internal/group"
)

type lockCommand struct {
	Name     string        `arg:"" help:"The lock's name."`
	Command  []string      `arg:"" optional:"" type:"bytes" help:"A command to run while the lock is held."`
	Shared   bool          `help:"Take the lock together with others that share it."`
	TTL      time.Duration `name:"ttl" default:"30s" help:"How long the lock is held unless renewed, whole seconds up to 300s (${default}). A command's lock is renewed while it runs."`
	Wait     time.Duration `help:"How long to wait while others hold the lock."`
	Instance string        `env:"SYNCLINE_INSTANCE" help:"Who takes the lock; the same id renews it. Default: a new id."`
}

// Help is shown by syncctl lock --help.
func (*lockCommand) Help() string {
	return `Examples:
  syncctl lock backup                      take it for 30 seconds, or fail with exit code 4
  syncctl lock backup --ttl 5m
  syncctl lock backup --wait 1h -- ./backup.sh

A command runs while the lock is held and renewed; afterwards the lock is released and the exit code is the command's.
If the lock is lost, the command and whatever it started get SIGTERM, after 10 seconds SIGKILL, and the exit code is 8. Signals that would end
syncctl end them alike, and then the lock is released. What the command leaves running when it ends by itself goes on, without the lock.
In its environment are SYNCLINE_LOCK, SYNCLINE_TOKEN (the fence token) and SYNCLINE_FENCE, by which syncctl set, delete and write
inside it are fenced.`
}

func (l *lockCommand) Run(ctx context.Context, a *app) error {
	if len(l.Command) > 0 {
		return l.runCommand(ctx, a)
	}
	if l.Wait > 0 {
		return usagef("--wait needs a command to run: a lock that is not renewed may end unseen")
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	grant, err := c.SetLock(ctx, l.Name, l.options()...)
	if err != nil {
		return err
	}
	a.showGrant(l.Name, grant)
	return nil
}

func (l *lockCommand) options() []client.LockOption {
	opts := []client.LockOption{client.WithTTL(l.TTL), client.WithInstanceID(l.Instance)}
	if l.Shared {
		opts = append(opts, client.WithSharing())
	}
	return opts
}

func (a *app) showGrant(name string, g client.Grant) {
	if a.JSON {
		a.printJSON(grantJSON{"ACQUIRED", g.InstanceID, int64(g.Token), g.Renewed, g.ExpiresAt, g.Lock})
		return
	}
	a.showFields([][2]string{
		{"lock", name},
		{"token", fmt.Sprint(g.Token)},
		{"until", localTime(g.ExpiresAt)},
		{"instance", g.InstanceID},
	})
	a.notef("release with: syncctl unlock --instance %s %s\n", shellQuote(g.InstanceID), shellQuote(name))
}

type grantJSON struct {
	Status     string      `json:"status"`
	InstanceID string      `json:"instanceId"`
	Token      int64       `json:"token"`
	Renewed    bool        `json:"renewed"`
	ExpiresAt  time.Time   `json:"expiresAt"`
	Lock       client.Lock `json:"lock"`
}

// runCommand runs the command under a lease.
func (l *lockCommand) runCommand(ctx context.Context, a *app) error {
	path, err := group.Find(l.Command[0]) // before others are kept waiting for nothing
	if err != nil {
		return err
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	lease, err := l.acquire(ctx, c)
	if err != nil {
		return err
	}
	running, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-lease.Done():
			end(lease.Err())
		case <-running.Done():
		}
	}()
	a.commandCode, err = group.Run(running, group.Command{
		Path: path, Args: l.Command, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Grace: killAfter,
		Env: append(os.Environ(),
			"SYNCLINE_LOCK="+lease.Name(),
			fmt.Sprintf("SYNCLINE_TOKEN=%d", lease.Token()),
			fmt.Sprintf("SYNCLINE_FENCE=%s=%d", lease.Name(), lease.Token()),
		),
	})
	end(nil)
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Timeout)
	defer cancel()
	released := lease.Release(releasing)
	if errors.Is(released, client.ErrLockLost) {
		return released
	}
	if released != nil {
		a.notef("syncctl: not released, ends with its TTL: %v\n", released)
	}
	return err
}

func (l *lockCommand) acquire(ctx context.Context, c *client.Client) (*client.Lease, error) {
	if l.Wait == 0 {
		return c.TryLock(ctx, l.Name, l.options()...)
	}
	ctx, cancel := context.WithTimeout(ctx, l.Wait)
	defer cancel()
	return c.AcquireLock(ctx, l.Name, l.options()...)
}

// killAfter is how long a command and what it started may take to end.
const killAfter = 10 * time.Second

type unlockCommand struct {
	Name     string `arg:"" help:"The lock's name."`
	Instance string `required:"" env:"SYNCLINE_INSTANCE" help:"Who took the lock: syncctl lock prints it."`
}

// Help is shown by syncctl unlock --help.
func (*unlockCommand) Help() string {
	return `Example:
  syncctl unlock backup --instance 5f3c...

It succeeds too if this instance does not hold the lock.`
}

func (u *unlockCommand) Run(ctx context.Context, a *app) error {
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	if err := c.ReleaseLock(ctx, u.Name, u.Instance); err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]string{"status": "RELEASED"})
		return nil
	}
	a.printf("%s is released\n", u.Name)
	return nil
}

type lockedCommand struct {
	Name     string `arg:"" help:"The lock's name."`
	ExitCode bool   `name:"exit-code" xor:"mode" help:"End with exit code 4 if somebody holds the lock."`
	Watch    bool   `xor:"mode" help:"Show each change, expiry included, until interrupted."`
}

// Help is shown by syncctl locked --help.
func (*lockedCommand) Help() string {
	return `Examples:
  syncctl locked backup
  syncctl locked --exit-code backup && echo free
  syncctl locked --watch --json backup | jq .locked`
}

func (l *lockedCommand) Run(ctx context.Context, a *app) error {
	if l.Watch {
		return l.watch(ctx, a)
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	state, err := c.LockState(ctx, l.Name)
	if err != nil {
		return err
	}
	a.showLockState(state)
	if l.ExitCode && state.Locked {
		a.commandCode = exitHeld
	}
	return nil
}

func (l *lockedCommand) watch(ctx context.Context, a *app) error {
	c, err := a.client(ctx, slog.LevelInfo)
	if err != nil {
		return err
	}
	for state, err := range c.WatchLock(ctx, l.Name) {
		switch {
		case err != nil && isInterrupted(ctx):
			return nil
		case err != nil:
			return err
		}
		if a.showLockState(state); a.results.failed != nil {
			return nil // run tells
		}
	}
	return nil
}

func (a *app) showLockState(state client.Lock) {
	if a.JSON {
		a.printJSON(state)
	} else {
		a.showLock(state)
	}
}
