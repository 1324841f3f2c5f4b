package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/sqlite"
)

// UserEvent is its own data.
type UserEvent struct {
	EventID       string                 `json:"id"`
	EventType     string                 `json:"event_type"`
	UserID        string                 `json:"user_id"`
	Username      string                 `json:"username"`
	Timestamp     time.Time              `json:"timestamp"`
	EventMetadata map[string]interface{} `json:"metadata,omitempty"`
}

func (e *UserEvent) ID() string                       { return e.EventID }
func (e *UserEvent) Type() string                     { return e.EventType }
func (e *UserEvent) AggregateID() string              { return e.UserID }
func (e *UserEvent) Data() interface{}                { return e }
func (e *UserEvent) Metadata() map[string]interface{} { return e.EventMetadata }

func main() {
	store, err := sqlite.NewWithDataSource("events-simple.db")
	if err != nil {
		log.Fatalf("store: %v", err)
	}
	defer store.Close()
	mgr, err := synckit.NewManager(synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithLWW())
	if err != nil {
		log.Fatalf("manager: %v", err)
	}
	ctx := context.Background()

	events := []*UserEvent{
		{
			EventID: "evt-1", EventType: "user.registered", UserID: "user-1", Username: "ada", Timestamp: time.Now(),
			EventMetadata: map[string]interface{}{"source": "web", "plan": "free"},
		},
		{
			EventID: "evt-2", EventType: "user.updated", UserID: "user-1", Username: "ada_l", Timestamp: time.Now().Add(time.Minute),
			EventMetadata: map[string]interface{}{"source": "api", "fields": []string{"username"}},
		},
	}
	for i, event := range events {
		version := cursor.IntegerCursor{Seq: uint64(i + 1)}
		if err := store.Store(ctx, event, version); err != nil {
			log.Fatalf("store event %d: %v", i+1, err)
		}
	}

	stored, err := store.Load(ctx, cursor.IntegerCursor{Seq: 0})
	if err != nil {
		log.Fatalf("load: %v", err)
	}
	for _, ev := range stored {
		data, _ := json.Marshal(ev.Event.Data())
		fmt.Printf("version %s: %s of %s, %d bytes\n", ev.Version.String(), ev.Event.Type(), ev.Event.AggregateID(), len(data))
	}
	latest, err := store.LatestVersion(ctx)
	if err != nil {
		log.Fatalf("latest: %v", err)
	}
	result, err := mgr.Sync(ctx)
	if err != nil {
		log.Fatalf("sync: %v", err)
	}
	fmt.Printf("latest %s, pushed %d\n", latest.String(), result.EventsPushed)
}
