package graph

import (
	"context"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"syncline/auth"
)

// What a document may look like. Ordinary documents stay far below.
const (
	maxTokens     = 6000 // of its text; a batch of 100 writes spelled out has 2,500
	maxDepth      = 24   // selections in one another; introspection goes to 15
	maxSelections = 4000 // fields and fragments, each counted wherever it is spread
	maxRepeats    = 2000 // pairs of fields that must be compared because they answer under one name
	maxDirectives = 200  // each is looked up, and has an error of its own where nobody knows it
	maxVariables  = 600  // likewise; a batch of 100 writes that has one for each value has 500
)

// shape refuses documents that would take long to validate: fragments that
// multiply, and names that come again and again, cost gqlparser exponential
// and quadratic time. So it looks at a document before it is validated, which
// costs one more parse for those that are not in the cache.
type shape struct {
	cache  *documentCache
	schema *ast.Schema
}

var _ graphql.OperationParameterMutator = shape{}

func (shape) ExtensionName() string { return "Shape" }

func (shape) Validate(graphql.ExecutableSchema) error { return nil }

func (s shape) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if known, ok := s.cache.find(params.Query); ok {
		params.Query = known.text // one copy for all that keep it
		graphql.GetOperationContext(ctx).Doc = s.choose(known, params)
		return nil
	}
	params.Query = strings.Clone(params.Query) // documents are kept, and with them their text
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
	if err != nil {
		return nil //nolint:nilerr // the executor comes upon it next, and reports it
	}
	if err := checkShape(document); err != nil {
		return err
	}
	if _, signed := auth.FromContext(ctx); !signed {
		return checkUnsigned(ctx, document, params.OperationName)
	}
	return nil
}

// choose is the form of a document that the executor is to have: the cache answers it.
func (s shape) choose(known *document, params *graphql.RawParams) *ast.QueryDocument {
	operation := known.parsed.Operations.ForName(params.OperationName)
	if operation != nil && conform(s.schema, operation, params.Variables) {
		return known.unchecked
	}
	return known.parsed
}

func checkShape(document *ast.QueryDocument) *gqlerror.Error {
	m := outline{fragments: make(map[string]*ast.FragmentDefinition, len(document.Fragments))}
	for _, fragment := range document.Fragments {
		m.fragments[fragment.Name] = fragment
	}
	for _, operation := range document.Operations {
		m.countHead(operation)
		m.visit(operation.SelectionSet, places{}, 1)
	}
	for _, fragment := range document.Fragments { // also those that are not used
		if m.directives += len(fragment.Directives); m.directives > maxDirectives && m.refused == nil {
			m.refused = tooManyDirectives(fragment.Position)
		}
		m.visit(fragment.SelectionSet, places{}, 1)
	}
	return m.refused
}

// places are the fields of an object in the answer, by name.
type places map[string]*place

type place struct {
	fields int // that the document has for it
	below  places
}

// outline follows a document as an executor would, up to the first limit.
type outline struct {
	fragments  map[string]*ast.FragmentDefinition
	selections int
	repeats    int
	directives int
	variables  int
	refused    *gqlerror.Error
}

// countHead counts what an operation has before its selections.
func (o *outline) countHead(operation *ast.OperationDefinition) {
	o.variables += len(operation.VariableDefinitions)
	o.directives += len(operation.Directives)
	for _, variable := range operation.VariableDefinitions {
		o.directives += len(variable.Directives)
	}
	switch {
	case o.refused != nil:
	case o.variables > maxVariables:
		o.refused = refuse(operation.Position, "the document has more than %d variables", maxVariables)
	case o.directives > maxDirectives:
		o.refused = tooManyDirectives(operation.Position)
	}
}

func tooManyDirectives(at *ast.Position) *gqlerror.Error {
	return refuse(at, "the document has more than %d directives", maxDirectives)
}

func (o *outline) visit(set ast.SelectionSet, within places, depth int) {
	for _, selection := range set {
		o.count(selection, depth)
		if o.refused != nil {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			o.checkArguments(s)
			o.visit(s.SelectionSet, o.enter(s, within), depth+1)
		case *ast.InlineFragment:
			o.visit(s.SelectionSet, within, depth+1)
		case *ast.FragmentSpread:
			if fragment, ok := o.fragments[s.Name]; ok {
				o.visit(fragment.SelectionSet, within, depth+1)
			}
		}
	}
}

func (o *outline) count(selection ast.Selection, depth int) {
	o.selections++
	o.directives += len(directivesOf(selection))
	switch {
	case o.refused != nil: // for the first reason
	case o.directives > maxDirectives:
		o.refused = tooManyDirectives(selection.GetPosition())
	case depth > maxDepth:
		o.refused = refuse(selection.GetPosition(), "the document is more than %d selections deep, or a fragment spreads itself", maxDepth)
	case o.selections > maxSelections:
		o.refused = refuse(selection.GetPosition(), "the document selects more than %d fields and fragments", maxSelections)
	case o.repeats > maxRepeats:
		o.refused = refuse(selection.GetPosition(), "the document selects the same fields too often")
	}
}

func (o *outline) enter(field *ast.Field, within places) places {
	at, ok := within[field.Alias]
	if !ok {
		at = &place{below: places{}}
		within[field.Alias] = at
	}
	o.repeats += at.fields
	at.fields++
	return at.below
}

func (o *outline) checkArguments(field *ast.Field) {
	for _, argument := range field.Arguments {
		if err := checkNumbers(argument.Name, argument.Value); err != nil {
			o.refused = err
			return
		}
	}
}

// checkNumbers refuses numbers beyond 64 bits: gqlparser panics over some, and
// says too little of others.
func checkNumbers(field string, value *ast.Value) *gqlerror.Error {
	switch value.Kind {
	case ast.IntValue, ast.FloatValue:
		if _, err := value.Value(nil); err != nil {
			err := gqlerror.ErrorPosf(value.Position, "%s: this number is out of range", field)
			err.Extensions = map[string]any{"code": codeBadUserInput, "field": field}
			return err
		}
	case ast.ListValue, ast.ObjectValue:
		for i, child := range value.Children {
			name := child.Name
			if value.Kind == ast.ListValue {
				name = strconv.Itoa(i)
			}
			if err := checkNumbers(field+"."+name, child.Value); err != nil {
				return err
			}
		}
	}
	return nil
}
