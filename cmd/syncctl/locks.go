package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"syncline/client"
)

type lockCommand struct {
	Name     string        `arg:"" help:"The lock's name."`
	Command  []string      `arg:"" optional:"" help:"A command to run while the lock is held."`
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
If the lock is lost, the command gets SIGTERM and the exit code is 8. In its environment are SYNCLINE_LOCK,
SYNCLINE_TOKEN (the fence token) and SYNCLINE_FENCE, by which syncctl set and delete inside it are fenced.`
}

func (l *lockCommand) Run(ctx context.Context, a *app) error {
	c, err := a.client(slog.LevelWarn)
	if err != nil {
		return err
	}
	if len(l.Command) > 0 {
		return l.runCommand(ctx, a, c)
	}
	if l.Wait > 0 {
		return usagef("--wait needs a command to run: a lock that is not renewed may end unseen")
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
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
func (l *lockCommand) runCommand(ctx context.Context, a *app, c *client.Client) error {
	lease, err := l.acquire(ctx, a, c)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-lease.Done():
			cancel()
		case <-running.Done():
		}
	}()
	err = a.runUnder(running, lease, l.Command)
	cancel()
	releasing, cancelRelease := context.WithTimeout(context.WithoutCancel(ctx), a.Timeout)
	defer cancelRelease()
	released := lease.Release(releasing)
	if errors.Is(released, client.ErrLockLost) {
		return released
	}
	if released != nil {
		a.notef("syncctl: not released, ends with its TTL: %v\n", released)
	}
	return err
}

func (l *lockCommand) acquire(ctx context.Context, a *app, c *client.Client) (*client.Lease, error) {
	if l.Wait > 0 {
		ctx, cancel := context.WithTimeout(ctx, l.Wait)
		defer cancel()
		return c.AcquireLock(ctx, l.Name, l.options()...)
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	return c.TryLock(ctx, l.Name, l.options()...)
}

// killAfter is how long a command may take to end after SIGTERM.
const killAfter = 10 * time.Second

// runUnder runs a command until it ends, or ctx: then it gets SIGTERM.
func (a *app) runUnder(ctx context.Context, lease *client.Lease, command []string) error {
	fence := fmt.Sprintf("%s=%d", lease.Name(), lease.Token())
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // G204: running what the user says is its purpose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	cmd.Env = append(os.Environ(),
		"SYNCLINE_LOCK="+lease.Name(),
		fmt.Sprintf("SYNCLINE_TOKEN=%d", lease.Token()),
		"SYNCLINE_FENCE="+fence,
	)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	err := cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	a.commandCode = ended.ExitCode()
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		a.commandCode = 128 + int(status.Signal()) // as shells have it
	}
	return nil
}

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
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		if err := c.ReleaseLock(ctx, u.Name, u.Instance); err != nil {
			return err
		}
		if a.JSON {
			a.printJSON(map[string]string{"status": "RELEASED"})
			return nil
		}
		a.printf("%s is released\n", u.Name)
		return nil
	})
}

type lockedCommand struct {
	Name     string `arg:"" help:"The lock's name."`
	ExitCode bool   `name:"exit-code" help:"End with exit code 4 if somebody holds the lock."`
}

// Help is shown by syncctl locked --help.
func (*lockedCommand) Help() string {
	return `Examples:
  syncctl locked backup
  syncctl locked --exit-code backup && echo free`
}

func (l *lockedCommand) Run(ctx context.Context, a *app) error {
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		state, err := c.LockState(ctx, l.Name)
		if err != nil {
			return err
		}
		if a.JSON {
			a.printJSON(state)
		} else {
			a.showLock(state)
		}
		if l.ExitCode && state.Locked {
			a.commandCode = exitHeld
		}
		return nil
	})
}
