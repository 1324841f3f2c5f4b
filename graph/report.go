package graph

import (
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Bounds of what a client can bring into the log.
const (
	maxReportedFields = 10
	maxReportedCodes  = 5
)

// Report is what an operation was, and how it ended: for the log. It is filled
// in while the operation runs. It holds no data, no arguments and no aliases.
type Report struct {
	mu     sync.Mutex
	fields []string
	codes  []string
}

type reportKey struct{}

// WithReport makes a context in which one operation reports what it is.
func WithReport(ctx context.Context) (context.Context, *Report) {
	r := new(Report)
	return context.WithValue(ctx, reportKey{}, r), r
}

// Fields are the names of the operation's root fields, each once; none if the
// document could not be read.
func (r *Report) Fields() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.fields)
}

// Codes are the codes of the errors so far, each once.
func (r *Report) Codes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.codes)
}

// describe notes root fields, if they are the schema's: others may come from a
// document that was refused before it was validated.
func (r *Report) describe(fields []*ast.Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, field := range fields {
		if rootFieldNames[field.Name] {
			r.fields = addOnce(r.fields, field.Name, maxReportedFields)
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

func addOnce(list []string, s string, most int) []string {
	if len(list) == most || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// report notes the code of an error that goes to the client.
func report(ctx context.Context, err *gqlerror.Error) {
	r, ok := ctx.Value(reportKey{}).(*Report)
	code, hasCode := err.Extensions["code"].(string)
	if !ok || !hasCode {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes = addOnce(r.codes, code, maxReportedCodes)
}

// reporter fills in the Report of the context, if there is one.
type reporter struct{}

var _ graphql.OperationContextMutator = reporter{}

func (reporter) ExtensionName() string { return "Report" }

func (reporter) Validate(graphql.ExecutableSchema) error { return nil }

func (reporter) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if r, ok := ctx.Value(reportKey{}).(*Report); ok {
		r.describe(rootFields(op.Operation.SelectionSet, nil))
	}
	return nil
}
