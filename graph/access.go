package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
	"syncline/internal/contextvalue"
)

// access decides, before any field runs, whether a document is served at all.
type access struct{ introspection bool }

var _ graphql.OperationContextMutator = access{}

func (access) ExtensionName() string { return "Access" }

func (access) Validate(graphql.ExecutableSchema) error { return nil }

func (a access) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = !a.introspection
	_, signed := auth.FromContext(ctx)
	if signed && a.introspection {
		return nil
	}
	fields := rootFields(op.Operation.SelectionSet, nil)
	if !a.introspection {
		for _, field := range fields {
			if isIntrospection(field) {
				err := refuse(field.Position, "introspection is turned off on this server: see /schema.graphql")
				err.Extensions["reason"] = "INTROSPECTION_DISABLED"
				return err
			}
		}
	}
	if !signed {
		return checkFields(op.Operation.Operation, fields)
	}
	return nil
}

// checkUnsigned looks at a document that was only parsed: that it needs a
// signature is told before it is validated, which takes much longer.
func checkUnsigned(ctx context.Context, document *ast.QueryDocument, operationName string) *gqlerror.Error {
	operation := document.Operations.ForName(operationName)
	if operation == nil {
		return nil // the executor reports it
	}
	fields := rootFields(operation.SelectionSet, document.Fragments)
	if r := contextvalue.Of[Report](ctx); r != nil {
		r.describe(fields)
	}
	return checkFields(operation.Operation, fields)
}

// checkFields refuses root fields that need a signature. Of introspection, which
// answers much, there is one field of each kind without one.
func checkFields(operation ast.Operation, fields []*ast.Field) *gqlerror.Error {
	seen := map[string]bool{}
	for _, field := range fields {
		switch {
		case isIntrospection(field) && seen[field.Name]:
			return refuse(field.Position, "without a signature, a document has %s once", field.Name)
		case isIntrospection(field):
			seen[field.Name] = true
		case !isPublic(operation, field):
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
// whatever @skip and @include say. Fragments that validation has not resolved
// yet are looked up in those given.
func rootFields(set ast.SelectionSet, fragments ast.FragmentDefinitionList) []*ast.Field {
	return appendFields(nil, set, fragments, map[string]bool{})
}

func appendFields(fields []*ast.Field, set ast.SelectionSet, fragments ast.FragmentDefinitionList, visited map[string]bool) []*ast.Field {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			fields = append(fields, s)
		case *ast.InlineFragment:
			fields = appendFields(fields, s.SelectionSet, fragments, visited)
		case *ast.FragmentSpread:
			if visited[s.Name] {
				continue
			}
			visited[s.Name] = true
			definition := s.Definition
			if definition == nil {
				definition = fragments.ForName(s.Name)
			}
			if definition != nil {
				fields = appendFields(fields, definition.SelectionSet, fragments, visited)
			}
		}
	}
	return fields
}
