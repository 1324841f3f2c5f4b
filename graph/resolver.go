package graph

import (
	"context"
	"time"

	"syncline/auth"
	"syncline/feed"
	"syncline/graph/generated"
	"syncline/graph/model"
	"syncline/locks"
	"syncline/record"
)

type resolver struct {
	records *record.Service
	feed    *feed.Feed
	locks   *locks.Service
	limits  model.Limits
	now     func() time.Time // the clock that signatures are judged by
	quota   record.Quota     // of those without one of their own
}

type (
	query        struct{ *resolver }
	mutation     struct{ *resolver }
	subscription struct{ *resolver }
)

func (r *resolver) Query() generated.QueryResolver               { return query{r} }
func (r *resolver) Mutation() generated.MutationResolver         { return mutation{r} }
func (r *resolver) Subscription() generated.SubscriptionResolver { return subscription{r} }

// ownerOf is the owner for whom the request was signed. Everything below takes
// it as an argument.
func ownerOf(ctx context.Context) (record.Owner, error) {
	principal, ok := auth.FromContext(ctx)
	if !ok {
		return record.Owner{}, auth.Unsigned()
	}
	return record.Owner(principal.Key), nil
}
