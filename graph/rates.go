package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
)

// Limiter keeps clients within what they may take. Its errors are of type
// *auth.Error, and end the operation.
type Limiter interface {
	// Admit is asked before a document is looked at.
	Admit(ctx context.Context) error
	// Charge is told what a document costs that is about to be executed. ctx ends
	// with the operation.
	Charge(ctx context.Context, kind ast.Operation, cost int) error
}

// admission asks a Limiter before a document is parsed. Its cost, which limit
// measures, is charged later.
type admission struct{ limiter Limiter }

var _ graphql.OperationParameterMutator = admission{}

func (admission) ExtensionName() string { return "Admission" }

func (admission) Validate(graphql.ExecutableSchema) error { return nil }

func (a admission) MutateOperationParameters(ctx context.Context, _ *graphql.RawParams) *gqlerror.Error {
	return refusedBy(a.limiter.Admit(ctx), nil)
}

// refusedBy is a refusal as the client sees it; nil if there is none.
func refusedBy(err error, pos *ast.Position) *gqlerror.Error {
	refused, ok := errors.AsType[*auth.Error](err)
	if !ok {
		return nil
	}
	told := gqlerror.ErrorPosf(pos, "%s", refused.Message)
	told.Extensions = refused.Extensions()
	return told
}

// unlimited is the Limiter of those who want none.
type unlimited struct{}

func (unlimited) Admit(context.Context) error { return nil }

func (unlimited) Charge(context.Context, ast.Operation, int) error { return nil }
