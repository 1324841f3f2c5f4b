// Command bff-go is a backend for frontend: it serves notes over plain REST to
// callers who know nothing of signatures, and keeps them in Syncline under an
// identity of its own.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"syncline/client"
)

// drainTime is how long requests under way may take when the service is to end.
const drainTime = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("bff-go: ", err) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context) error {
	key, err := serviceKey(os.Getenv("SERVICE_KEY"), cmp.Or(os.Getenv("SERVICE_KEY_FILE"), "service.key"))
	if err != nil {
		return err
	}
	store, err := client.New(cmp.Or(os.Getenv("SYNCLINE_URL"), "http://localhost:8080/graphql"), key)
	if err != nil {
		return err
	}
	log.Print("notes of ", store.Owner()) //nolint:gosec // a public key, in hexadecimal
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN_ADDRESS"), "127.0.0.1:8090"),
		Handler:           newHandler(store),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
	}
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		_ = server.Shutdown(drain)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
