package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	synckit "syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil)) // the standard library's, in place of a package of its own
	slog.SetDefault(logger)
	slog.Info("starting", slog.String("version", "1.0.0"))
	component := logger.With("component", "database")
	component.Info("connected", slog.String("host", "localhost"), slog.Int("port", 5432))

	failed := errors.New(errors.StorageFailed, "store", fmt.Errorf("disk space insufficient"), errors.Metadata{
		"disk_usage":      "95%",
		"required_space":  "100MB",
		"available_space": "10MB",
	})
	slog.ErrorContext(context.Background(), "storage failed", slog.Any("error", failed), slog.Bool("retryable", errors.IsRetryable(failed)))

	store := memory.New()
	defer store.Close()
	manager, err := synckit.NewManager(synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithManagerLogger(component))
	if err != nil {
		slog.Error("no manager", slog.String("error", err.Error()))
		return
	}
	defer manager.Close()
}
