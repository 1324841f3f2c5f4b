package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"syncline/internal/turns"
)

// fieldTurns has each root field wait for the turn of its operation, which the one
// before gave up where it waited for the store.
type fieldTurns struct{}

var _ graphql.RootFieldInterceptor = fieldTurns{}

func (fieldTurns) ExtensionName() string { return "FieldTurns" }

func (fieldTurns) Validate(graphql.ExecutableSchema) error { return nil }

func (fieldTurns) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	_ = turns.FromContext(ctx).Take(ctx) // what follows finds out that ctx has ended
	return next(ctx)
}
