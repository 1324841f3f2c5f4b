package main

import (
	"context"

	"syncline/synckit"
)

// MyTransport is what the documentation asks the reader to write.
type MyTransport struct{}

func (*MyTransport) Push(context.Context, []synckit.EventWithVersion) error { return nil }

func (*MyTransport) Pull(context.Context, synckit.Version) ([]synckit.EventWithVersion, error) {
	event := &MyEvent{id: "event-1", eventType: "UserCreated", aggregateID: "user-1", data: map[string]string{"name": "Ada"}}
	return []synckit.EventWithVersion{{Event: event}}, nil
}

func (*MyTransport) Subscribe(context.Context, func([]synckit.EventWithVersion) error) error {
	return nil
}

func (*MyTransport) Close() error { return nil }

type LastWriteWinsResolver struct{}

func (r *LastWriteWinsResolver) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	// Keep the events with the latest timestamp
	var resolved []synckit.EventWithVersion
	// Implementation logic here...
	return resolved, nil
}
