package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/graph/scalar"
	"syncline/graph/transport"
	"syncline/locks"
	"syncline/record"
)

// What a document may ask for. Ordinary use stays below: a page of 1000
// whole records costs 11,100, a batch of 100 writes with their records 7,400,
// the introspection of GraphiQL 17,300 (limit_test.go has the numbers).
const (
	maxRootFields = 50     // aliases included; those of a mutation run one after the other
	maxCost       = 30_000 // see cost
	maxStreamCost = 500    // of a subscription, for each event; whole records cost 86
)

// A field's own cost.
const (
	rootCost    = 10      // a visit to the store
	aliasWeight = 32      // bytes of an alias that cost as much as a value
	dataCost    = 64      // a record's data, one for each KiB that it may have; it is read even if it is not selected
	pageData    = 4 << 20 // decoded bytes that a page of changes has at most
)

// How long lists are that no argument bounds. Those of introspection are
// about the schema's averages.
var listLengths = map[string]int{
	"Lock.holders":         locks.MaxHolders,
	"__Schema.types":       40,
	"__Schema.directives":  5,
	"__Type.fields":        4,
	"__Type.inputFields":   2,
	"__Type.enumValues":    2,
	"__Field.args":         1,
	"__Directive.args":     1,
	"__Type.interfaces":    1,
	"__Type.possibleTypes": 1,
}

// limit refuses documents that ask for too much, and a few that validation lets
// pass though gqlgen cannot execute them. The Limiter hears what the others cost.
type limit struct {
	limiter Limiter
	sizes   sizes
}

// sizes tells about how much an owner has to read, if that is known.
type sizes interface {
	KnownSize(owner record.Owner) (record.Size, bool)
}

var _ graphql.OperationContextMutator = limit{}

func (limit) ExtensionName() string { return "Limit" }

func (limit) Validate(graphql.ExecutableSchema) error { return nil }

func (l limit) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	m := meter{variables: op.Variables}
	total := m.measure(op.Operation.SelectionSet)
	transport.Expect(ctx, m.memory(op.Operation.Operation, total))
	if page, ok := l.page(ctx, &m, op); ok {
		transport.Expect(ctx, page.memory(&m, total))
	}
	switch {
	case m.refused != nil:
		return m.refused
	case m.rootFields > maxRootFields:
		return refuse(op.Operation.Position, "the document has more than %d root fields", maxRootFields)
	case op.Operation.Operation == ast.Subscription && (total.sum() > maxStreamCost || len(op.RawQuery) > maxCachedDocument):
		return refuse(op.Operation.Position, "a subscription lasts: its document costs at most %d and has at most %d bytes", maxStreamCost, maxCachedDocument)
	case total.sum() > maxCost:
		return refuse(op.Operation.Position, "the document costs %d, more than %d: ask for less at once", total.sum(), maxCost)
	}
	if op.Operation.Operation == ast.Subscription {
		if err := checkStream(op); err != nil {
			return err
		}
	}
	transport.Parsed(ctx) // it may ask the store whether the owner is new
	return refusedBy(l.limiter.Charge(ctx, op.Operation.Operation, total.sum()), op.Operation.Position)
}

// checkStream wants one stream, after @skip and @include.
func checkStream(op *graphql.OperationContext) *gqlerror.Error {
	fields := graphql.CollectFields(op, op.Operation.SelectionSet, nil)
	if len(fields) != 1 || strings.HasPrefix(fields[0].Name, "__") {
		return refuse(op.Operation.Position, "a subscription has exactly one root field")
	}
	return nil
}

// cost is what a selection can make the server read and write out.
type cost struct {
	values int
	data   int // of records, each up to 64 KiB, on top of their value
}

func (c cost) sum() int { return c.values + dataCost*c.data }

func (c cost) plus(other cost) cost { return cost{c.values + other.values, c.data + other.data} }

// valueBytes is about what a value takes, in the answer and until it is there.
const valueBytes = 96

// memory is what a document that costs so much may hold, in bytes. An allowance
// bounds the data that its fields bring, but for what the last of them reads, and
// one record of each page. The fields of a mutation run one after the other: what
// one has read and not selected is gone when the next begins.
func (m *meter) memory(kind ast.Operation, total cost) int {
	data := total.data
	if kind == ast.Mutation {
		data = min(data, m.selected+m.most)
	}
	data = min(data, record.MaxPageBytes/record.MaxDataBytes+m.most+m.rootFields)
	return total.values*valueBytes + data*record.MaxDataBytes
}

// meter measures a document. Its work is bounded: shape has let the document pass.
type meter struct {
	variables  map[string]any
	rootFields int
	page       int  // records of the page of changes that is being measured
	batch      int  // writes of the batch that is being measured
	most       int  // records that a root field reads at once, save pages
	selected   int  // records whose data the answer has
	pages      bool // a root field is a page of changes
	refused    *gqlerror.Error
}

func (m *meter) measure(set ast.SelectionSet) cost {
	var total cost
	for _, selection := range set {
		if m.refused == nil {
			m.refused = m.checkCondition(selection)
		}
		if m.refused != nil {
			return cost{}
		}
		switch s := selection.(type) {
		case *ast.Field:
			total = total.plus(m.field(s))
		case *ast.InlineFragment:
			total = total.plus(m.measure(s.SelectionSet))
		case *ast.FragmentSpread:
			total = total.plus(m.measure(s.Definition.SelectionSet))
		}
	}
	return total
}

func (m *meter) field(f *ast.Field) cost {
	own := cost{values: 1 + len(f.Alias)/aliasWeight}
	switch f.ObjectDefinition.Name {
	case "Query", "Mutation", "Subscription":
		m.rootFields++
		own.values += rootCost
		m.readArguments(f)
		m.most = max(m.most, m.batch)
		total := own.plus(m.times(f, m.measure(f.SelectionSet)))
		m.selected += total.data
		total.data = max(total.data, m.reads(f.Name))
		return total
	case "Record":
		if f.Name == "data" {
			own.data = 1
		}
	}
	return own.plus(m.times(f, m.measure(f.SelectionSet)))
}

// reads is how many records a root field brings into memory, data and all,
// until the answer is written: a write those that it clashes with.
func (m *meter) reads(rootField string) int {
	switch rootField {
	case "changes":
		return min(m.page, pageData/record.MaxDataBytes)
	case "records", "writeRecords":
		return m.batch
	case "record", "setRecord", "deleteRecord":
		return 1
	default:
		return 0
	}
}

// readArguments notes how long the lists below a root field are.
func (m *meter) readArguments(f *ast.Field) {
	m.page, m.batch = 1, 1
	switch f.Name {
	case "changes":
		m.pages = true
		first, _ := scalar.UnmarshalInt(f.ArgumentMap(m.variables)["first"])
		m.page = min(max(first, 1), record.MaxPage)
	case "records":
		m.batch = batchSize(f.ArgumentMap(m.variables)["ids"])
	case "writeRecords":
		input, _ := f.ArgumentMap(m.variables)["input"].(map[string]any)
		m.batch = batchSize(input["writes"])
	}
}

func batchSize(list any) int {
	elements, _ := list.([]any)
	return min(max(len(elements), 1), record.MaxBatch)
}

// times multiplies what lies below a list by its length. What is longer than
// it may be is measured as if it were not: the domain refuses it better.
func (m *meter) times(f *ast.Field, below cost) cost {
	name := f.ObjectDefinition.Name + "." + f.Name
	switch name {
	case "ChangePage.records":
		return cost{m.page * below.values, min(m.page, pageData/record.MaxDataBytes) * below.data}
	case "Query.records", "WriteRecordsPayload.results":
		return cost{m.batch * below.values, m.batch * below.data}
	}
	if n, ok := listLengths[name]; ok {
		return cost{n * below.values, n * below.data}
	}
	return below
}

// checkCondition looks for @skip and @include whose condition is null, which
// gqlgen would panic over.
func (m *meter) checkCondition(selection ast.Selection) *gqlerror.Error {
	for _, directive := range directivesOf(selection) {
		condition := directive.Arguments.ForName("if")
		if condition == nil {
			continue
		}
		if value, err := condition.Value.Value(m.variables); err != nil || value == nil {
			return refuse(directive.Position, "the condition of @%s must be true or false", directive.Name)
		}
	}
	return nil
}

func directivesOf(selection ast.Selection) ast.DirectiveList {
	switch s := selection.(type) {
	case *ast.Field:
		return s.Directives
	case *ast.InlineFragment:
		return s.Directives
	case *ast.FragmentSpread:
		return s.Directives
	}
	return nil
}
