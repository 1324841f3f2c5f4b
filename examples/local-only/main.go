// Command local-only keeps events in a file, offline, and makes a state of them.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// Deposited and Withdrawn are what can happen to an account.
const (
	Deposited = "Deposited"
	Withdrawn = "Withdrawn"
)

// run writes to a file, as if the app was ended in between.
func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "local-only-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "events.db")
	if err := write(ctx, file); err != nil {
		return err
	}
	return report(ctx, out, file)
}

func write(ctx context.Context, file string) error {
	store, err := sqlite.New(&sqlite.Config{DataSourceName: file})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	for _, e := range []synckit.Event{
		synckit.NewEvent("1", Deposited, "savings", 100, nil),
		synckit.NewEvent("2", Withdrawn, "savings", 30, map[string]any{"note": "a book"}),
		synckit.NewEvent("3", Deposited, "holiday", 500, nil),
		synckit.NewEvent("2", Withdrawn, "savings", 30, map[string]any{"note": "a book"}), // again: nothing happens
	} {
		if err := store.Store(ctx, e, nil); err != nil {
			return err
		}
	}
	return nil
}

// report opens the file anew, and shows what is in it.
func report(ctx context.Context, out io.Writer, file string) error {
	store, err := sqlite.New(&sqlite.Config{DataSourceName: file})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	events, err := store.Load(ctx, nil)
	if err != nil {
		return err
	}
	for _, e := range events {
		if _, err := fmt.Fprintf(out, "%s: %s %s %s\n", e.Version, e.Event.AggregateID(), e.Event.Type(), e.Event.Data()); err != nil {
			return err
		}
	}
	for _, account := range []string{"holiday", "savings"} {
		balance, err := balanceOf(ctx, store, account)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s has %d\n", account, balance); err != nil {
			return err
		}
	}
	return nil
}

// balanceOf folds an account's events.
func balanceOf(ctx context.Context, store synckit.EventStore, account string) (int, error) {
	events, err := synckit.LoadEffective(ctx, store, account)
	if err != nil {
		return 0, err
	}
	balance := 0
	for _, e := range events {
		var amount int
		if err := synckit.DecodeData(e.Event, &amount); err != nil {
			return 0, err
		}
		if e.Event.Type() == Withdrawn {
			amount = -amount
		}
		balance += amount
	}
	return balance, nil
}
