package graph

import (
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/internal/contextvalue"
)

// Bounds of what a client can have noted.
const (
	maxReportedFields = 50 // as many as a document may have
	maxReportedCodes  = 5  // of a field
)

// Report is what an operation was, and how it ended: for the log and the metrics. It is filled
// in while the operation runs. It holds no data and no arguments.
type Report struct {
	mu     sync.Mutex
	fields []Field
	first  [1]Field // where fields are, unless there are more
	codes  []string // of errors that are no single field's
}

// Field is a root field of an operation.
type Field struct {
	Name string
	// Codes are those of the errors that it ended with, or the whole operation did: each
	// once, in alphabetical order.
	Codes []string
	key   string // in the answer
}

// WithReport makes a context in which one operation reports what it is.
func WithReport(ctx context.Context) (context.Context, *Report) {
	return contextvalue.New[Report](ctx)
}

// Fields are the operation's root fields as they stand in its answer, so that a name may be there
// several times; none if the document could not be read.
func (r *Report) Fields() []Field {
	r.mu.Lock()
	defer r.mu.Unlock()
	fields := make([]Field, len(r.fields))
	for i, field := range r.fields {
		fields[i] = Field{Name: field.Name, Codes: sorted(field.Codes, r.codes)}
	}
	return fields
}

// Codes are the codes of all errors so far, each once, in alphabetical order.
func (r *Report) Codes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	codes := slices.Clone(r.codes)
	for _, field := range r.fields {
		codes = append(codes, field.Codes...)
	}
	return sorted(codes)
}

func sorted(codes ...[]string) []string {
	all := slices.Concat(codes...)
	slices.Sort(all)
	return slices.Compact(all)
}

// describe notes root fields, if they are the schema's: others may come from a
// document that was refused before it was validated.
func (r *Report) describe(fields []*ast.Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, field := range fields {
		known := func(other Field) bool { return other.key == field.Alias }
		if r.fields == nil {
			r.fields = r.first[:0]
		}
		if rootFieldNames[field.Name] && len(r.fields) < maxReportedFields && !slices.ContainsFunc(r.fields, known) {
			r.fields = append(r.fields, Field{Name: field.Name, key: field.Alias})
		}
	}
}

// rootFieldNames are those of the schema.
var rootFieldNames = func() map[string]bool {
	names := map[string]bool{"__typename": true, "__schema": true, "__type": true}
	s := schema()
	for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		for _, field := range root.Fields {
			names[field.Name] = true
		}
	}
	return names
}()

func addOnce(list []string, s string) []string {
	if len(list) == maxReportedCodes || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// report notes the code of an error that goes to the client, at the root field that it
// belongs to.
func report(ctx context.Context, err *gqlerror.Error) {
	r := contextvalue.Of[Report](ctx)
	code, hasCode := err.Extensions["code"].(string)
	if r == nil || !hasCode {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if root := graphql.GetRootFieldContext(ctx); root != nil {
		for i := range r.fields {
			if r.fields[i].key == root.Field.Alias {
				r.fields[i].Codes = addOnce(r.fields[i].Codes, code)
				return
			}
		}
	}
	r.codes = addOnce(r.codes, code)
}

// reporter fills in the Report of the context, if there is one.
type reporter struct{}

var _ graphql.OperationContextMutator = reporter{}

func (reporter) ExtensionName() string { return "Report" }

func (reporter) Validate(graphql.ExecutableSchema) error { return nil }

func (reporter) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if r := contextvalue.Of[Report](ctx); r != nil {
		r.describe(rootFields(op.Operation.SelectionSet, nil))
	}
	return nil
}
