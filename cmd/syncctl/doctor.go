package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"syncline/client"
	"syncline/internal/commandline"
)

type doctorCommand struct{}

// Help is shown by syncctl doctor --help.
func (*doctorCommand) Help() string {
	return `It goes the way of a request step by step and ends at the first that fails, with that step's exit code. It writes nothing.`
}

// diagnosis is what one step found.
type diagnosis struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (*doctorCommand) Run(ctx context.Context, a *app) error {
	found := func(check, format string, args ...any) {
		d := diagnosis{check, true, fmt.Sprintf(format, args...)}
		if a.JSON {
			a.printJSON(d)
			return
		}
		a.printf("ok    %-9s %s\n", d.Check, d.Detail)
	}
	failed := func(check string, err error) error {
		if a.JSON {
			a.printJSON(diagnosis{check, false, err.Error()})
		} else {
			a.printf("FAIL  %-9s %v\n", check, err)
		}
		return fmt.Errorf("%s: %w", check, err)
	}

	found("version", "syncctl %s", commandline.Version())
	path, err := a.keyPath()
	if err != nil {
		return failed("key", err)
	}
	key, err := a.key(ctx)
	if err != nil {
		return failed("key", err)
	}
	found("key", "%s is that of %s", path, key.Public())

	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return failed("url", err)
	}
	found("url", "%s", a.URL)
	target, _ := url.Parse(a.URL) // the client has read it, too
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	switch {
	case err != nil:
		return failed("proxy", err)
	case proxy != nil:
		found("proxy", "%s", proxy.Redacted())
	default:
		found("proxy", "none")
	}

	asked := time.Now()
	limits, err := c.Limits(ctx)
	took := time.Since(asked)
	if err != nil {
		return failed("server", err)
	}
	found("server", "answers after %v, takes records of %s and batches of %d", took.Round(time.Millisecond), size(limits.MaxRecordBytes), limits.MaxBatch)

	off := asked.Add(took / 2).Sub(limits.ServerTime)
	switch {
	case off.Abs() > a.ClockCorrection:
		return failed("clock", &client.ClockError{Local: asked, Server: limits.ServerTime, Bound: a.ClockCorrection})
	case off.Abs() > time.Minute:
		found("clock", "%v off the server's: it will be corrected, better set it", off.Round(time.Second))
	default:
		found("clock", "within %v of the server's", max(off.Abs(), took).Round(time.Millisecond))
	}

	viewer, err := c.Viewer(ctx)
	if err != nil {
		return failed("signature", err)
	}
	found("signature", "accepted: %d records, head %d", viewer.RecordCount, viewer.Head)

	live, cancel := context.WithTimeoutCause(ctx, a.Timeout, fmt.Errorf("%w: no WebSocket within %v", client.ErrUnreachable, a.Timeout))
	defer cancel()
	for e, err := range c.Follow(live, client.Now) {
		if err != nil {
			return failed("websocket", err)
		}
		if e.Kind == client.CaughtUp {
			break
		}
	}
	if live.Err() != nil {
		return failed("websocket", context.Cause(live))
	}
	found("websocket", "live")
	return nil
}
