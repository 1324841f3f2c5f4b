package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/sqlite"
)

// BaseEvent is what the others embed.
type BaseEvent struct {
	EventID       string            `json:"id"`
	EventType     string            `json:"event_type"`
	AggregateID   string            `json:"aggregate_id"`
	Timestamp     time.Time         `json:"timestamp"`
	TenantID      string            `json:"tenant_id"`
	EventMetadata map[string]string `json:"metadata"`
}

// OrderEvent is one of several types.
type OrderEvent struct {
	BaseEvent
	OrderID  string `json:"order_id"`
	Priority string `json:"priority"`
}

func (e *OrderEvent) ID() string          { return e.EventID }
func (e *OrderEvent) Type() string        { return e.EventType }
func (e *OrderEvent) AggregateID() string { return e.BaseEvent.AggregateID }
func (e *OrderEvent) Data() interface{}   { return e }
func (e *OrderEvent) Metadata() map[string]interface{} {
	meta := map[string]interface{}{"tenant_id": e.TenantID, "timestamp": e.Timestamp, "priority": e.Priority}
	for k, v := range e.EventMetadata {
		meta[k] = v
	}
	return meta
}

// EventFilters are filters as methods.
type EventFilters struct{}

// OnlyOrderEvents goes by the type.
func (f *EventFilters) OnlyOrderEvents(event synckit.Event) bool {
	return strings.HasPrefix(event.Type(), "order.")
}

// HighPriorityEvents goes by metadata.
func (f *EventFilters) HighPriorityEvents(event synckit.Event) bool {
	priority, ok := event.Metadata()["priority"].(string)
	return ok && (priority == "high" || priority == "urgent")
}

// TenantSpecificEvents makes a filter.
func (f *EventFilters) TenantSpecificEvents(tenant string) func(synckit.Event) bool {
	return func(event synckit.Event) bool { return event.Metadata()["tenant_id"] == tenant }
}

// CombinedFilter asks all.
func (f *EventFilters) CombinedFilter(filters ...func(synckit.Event) bool) func(synckit.Event) bool {
	return func(event synckit.Event) bool {
		for _, filter := range filters {
			if !filter(event) {
				return false
			}
		}
		return true
	}
}

func main() {
	filters := &EventFilters{}
	store, err := sqlite.NewWithDataSource("filtered-events.db")
	if err != nil {
		log.Fatalf("store: %v", err)
	}
	defer store.Close()
	ctx := context.Background()
	events := []synckit.Event{
		&OrderEvent{BaseEvent{EventID: "order-1", EventType: "order.created", AggregateID: "o1", TenantID: "tenant-a"}, "ORD-1", "urgent"},
		&OrderEvent{BaseEvent{EventID: "order-2", EventType: "order.paid", AggregateID: "o1", TenantID: "tenant-b"}, "ORD-1", "low"},
	}
	for i, event := range events {
		if err := store.Store(ctx, event, cursor.IntegerCursor{Seq: uint64(i + 1)}); err != nil {
			log.Fatalf("store: %v", err)
		}
	}
	for name, filter := range map[string]func(synckit.Event) bool{
		"orders":   filters.OnlyOrderEvents,
		"combined": filters.CombinedFilter(filters.HighPriorityEvents, filters.TenantSpecificEvents("tenant-a")),
	} {
		manager, err := synckit.NewManager(
			synckit.WithStore(store),
			synckit.WithNullTransport(),
			synckit.WithFilter(filter),
			synckit.WithLWW(),
		)
		if err != nil {
			log.Fatalf("manager: %v", err)
		}
		result, err := manager.Sync(ctx)
		if err != nil {
			log.Fatalf("sync: %v", err)
		}
		all, err := store.Load(ctx, cursor.IntegerCursor{Seq: 0})
		if err != nil {
			log.Fatalf("load: %v", err)
		}
		passing := 0
		for _, one := range all {
			if filter(one.Event) {
				passing++
			}
		}
		fmt.Printf("%s: %d of %d, %d moved\n", name, passing, len(all), result.EventsPushed+result.EventsPulled)
		manager.Close()
	}
}
