package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
)

// access decides, before any field runs, whether a document is served at all.
type access struct{ introspection bool }

var _ graphql.OperationContextMutator = access{}

func (access) ExtensionName() string { return "Access" }

func (access) Validate(graphql.ExecutableSchema) error { return nil }

func (a access) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = !a.introspection
	_, signed := auth.FromContext(ctx)
	for _, field := range rootFields(op.Operation.SelectionSet) {
		switch {
		case isIntrospection(field):
			if !a.introspection {
				err := refuse(field.Position, "introspection is turned off on this server: see /schema.graphql")
				err.Extensions["reason"] = "INTROSPECTION_DISABLED"
				return err
			}
		case !signed && !isPublic(op.Operation.Operation, field):
			refused := auth.Unsigned()
			err := gqlerror.ErrorPosf(field.Position, "%s", refused.Message)
			err.Extensions = refused.Extensions()
			return err
		}
	}
	return nil
}

func isIntrospection(field *ast.Field) bool {
	return field.Name == "__schema" || field.Name == "__type"
}

// isPublic tells whether a root field, other than introspection, needs no signature.
func isPublic(operation ast.Operation, field *ast.Field) bool {
	return field.Name == "__typename" || operation == ast.Query && field.Name == "limits"
}

// rootFields are those that the selection asks for, through fragments too,
// whatever @skip and @include say.
func rootFields(set ast.SelectionSet) []*ast.Field {
	return appendFields(nil, set, map[string]bool{})
}

func appendFields(fields []*ast.Field, set ast.SelectionSet, visited map[string]bool) []*ast.Field {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			fields = append(fields, s)
		case *ast.InlineFragment:
			fields = appendFields(fields, s.SelectionSet, visited)
		case *ast.FragmentSpread:
			if !visited[s.Name] {
				visited[s.Name] = true
				fields = appendFields(fields, s.Definition.SelectionSet, visited)
			}
		}
	}
	return fields
}
