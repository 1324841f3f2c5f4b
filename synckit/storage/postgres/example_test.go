package postgres_test

import (
	"context"
	"log"

	"syncline/synckit/storage/postgres"
)

// Two processes on one log: this one hears of what either stores.
func Example() {
	store, err := postgres.NewWithConnectionString("postgres://app@localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	err = store.SubscribeToStream(context.Background(), "order-1", func(p postgres.NotificationPayload) error {
		log.Printf("%s: %s", p.EventType, p.ID)
		return nil
	})
	if err != nil {
		log.Print(err)
	}
}
