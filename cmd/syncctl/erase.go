package main

import (
	"context"
	"fmt"

	"syncline/auth/signing"
	"syncline/client"
)

type eraseCommand struct {
	Owner      string `arg:"" help:"Your public key, as syncctl whoami shows it: a safeguard."`
	MutationID string `name:"mutation-id" help:"A unique id that makes it safe to run the same command again."`
}

// Help is shown by syncctl erase --help.
func (*eraseCommand) Help() string {
	return `Examples:
  syncctl erase 02c0ffee...
  syncctl erase "$(syncctl whoami --offline)"      without looking at whose it is

Records, locks and what the server remembers of writes are gone for good, also for your other devices. The key stays yours: what you write
afterwards begins from nothing. To keep a copy, run syncctl changes --json before.`
}

func (e *eraseCommand) Run(ctx context.Context, a *app) error {
	owner, err := signing.ParsePublicKey(e.Owner)
	if err != nil {
		return usagef("%q is no public key: 66 characters, as syncctl whoami shows them", e.Owner)
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	if owner != c.Owner() {
		return usagef("that is not your key, which is %s: nobody erases what belongs to others", c.Owner())
	}
	var opts []client.WriteOption
	if e.MutationID != "" {
		opts = append(opts, client.WithMutationID(e.MutationID))
	}
	erased, err := c.EraseAccount(ctx, owner, opts...)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	if a.JSON {
		a.printJSON(map[string]any{"erasedRecords": erased.Records, "cursor": erased.Cursor})
		return nil
	}
	a.printf("%s has no data any more: %d records were erased\n", owner, erased.Records)
	return nil
}
