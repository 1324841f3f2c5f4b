package synckit_test

import (
	"context"

	"syncline/synckit"
)

// scripted is a paged transport whose calls can be replaced one by one.
type scripted struct {
	synckit.PagedTransport
	push      func(ctx context.Context, events []synckit.EventWithVersion) error
	pullPage  func(ctx context.Context, since string, limit int) (synckit.Page, error)
	subscribe func(ctx context.Context, handler func([]synckit.EventWithVersion) error) error
}

func (s *scripted) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if s.push == nil {
		return s.PagedTransport.Push(ctx, events)
	}
	return s.push(ctx, events)
}

func (s *scripted) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	if s.pullPage == nil {
		return s.PagedTransport.PullPage(ctx, since, limit)
	}
	return s.pullPage(ctx, since, limit)
}

func (s *scripted) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	if s.subscribe == nil {
		return s.PagedTransport.Subscribe(ctx, handler)
	}
	return s.subscribe(ctx, handler)
}
