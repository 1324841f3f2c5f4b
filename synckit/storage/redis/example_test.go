package redis_test

import (
	"context"
	"log"

	"syncline/synckit/storage/redis"
)

// Two processes on one log: this one hears of what either stores.
func Example() {
	store, err := redis.NewWithURL("redis://localhost:6379")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	err = store.SubscribeToStream(context.Background(), "order-1", func(p redis.NotificationPayload) error {
		log.Printf("%s: %s", p.EventType, p.ID)
		return nil
	})
	if err != nil {
		log.Print(err)
	}
}
