package graph

import (
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/internal/contextvalue"
	"syncline/record"
)

// allowance is what the fields of a document may bring into its answer together:
// maxPageBytes of records' data, counted each time that the answer has it. It
// goes by what was read. Fields whose worst cases exceed it together take turns,
// so that no more is in memory than that and what one field reads.
type allowance struct {
	mu       sync.Mutex
	released sync.Cond // that reserved has become less
	reserved int       // by fields that are being read
	used     int
}

// allowances gives each query and mutation its own.
type allowances struct{}

var _ graphql.OperationInterceptor = allowances{}

func (allowances) ExtensionName() string { return "Allowances" }

func (allowances) Validate(graphql.ExecutableSchema) error { return nil }

func (allowances) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Operation != ast.Subscription {
		var a *allowance
		ctx, a = contextvalue.New[allowance](ctx)
		a.released.L = &a.mu
	}
	return next(ctx)
}

// claim is a field's part of the allowance.
type claim struct {
	*allowance
	copies   int // of each record's data in the answer, at least one: it is read in any case
	reserved int
	left     int // bytes of data that the field may bring
}

// claimData waits for the turn of a field that may read a number of records. The
// caller releases the claim.
func claimData(ctx context.Context, records int) claim {
	field := graphql.GetFieldContext(ctx).Field
	c := claim{allowance: contextvalue.Of[allowance](ctx)}
	c.copies = max(1, len(dataPaths(nil, "", field.Selections)))
	c.reserved = max(records, 1) * c.copies * record.MaxDataBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.allowance.reserved > 0 && c.used+c.allowance.reserved+c.reserved > record.MaxPageBytes {
		c.released.Wait() // reads end
	}
	c.left = (record.MaxPageBytes - c.used - c.allowance.reserved) / c.copies
	c.allowance.reserved += c.reserved
	return c
}

// release replaces what was reserved by the bytes of data that the answer gets.
func (c claim) release(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowance.reserved -= c.reserved
	c.used += bytes * c.copies
	c.released.Broadcast()
}

func tooMuchData() error {
	return &record.InvalidError{Field: "query", Reason: "the document's answer would have more than maxPageBytes of data: ask for less at once"}
}

// dataPaths are the places at which the answer has a record's data.
func dataPaths(paths []string, at string, set ast.SelectionSet) []string {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			switch {
			case s.ObjectDefinition.Name == "Record" && s.Name == "data":
				if path := at + "." + s.Alias; !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			case len(s.SelectionSet) > 0:
				paths = dataPaths(paths, at+"."+s.Alias, s.SelectionSet)
			}
		case *ast.InlineFragment:
			paths = dataPaths(paths, at, s.SelectionSet)
		case *ast.FragmentSpread:
			paths = dataPaths(paths, at, s.Definition.SelectionSet)
		}
	}
	return paths
}
