package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/record"
)

// pageBound is what a page of changes of an owner with little to read may have. Memory
// is lent for that, and not for the longest page that there can be. If other instances
// wrote much meanwhile, the page is shorter than it might be, and the next is not.
type pageBound struct{ records, bytes int }

const pageKey = "page"

// page bounds that of a document that asks for one, and for nothing else.
func (l limit) page(ctx context.Context, m *meter, op *graphql.OperationContext) (pageBound, bool) {
	owner, err := ownerOf(ctx)
	if err != nil || op.Operation.Operation != ast.Query || m.rootFields != 1 || !m.pages {
		return pageBound{}, false
	}
	size, ok := l.sizes.KnownSize(owner)
	if !ok || size.Bytes > record.MaxPageBytes || size.Records > record.MaxPage {
		return pageBound{}, false
	}
	// Half as much again, and as much as a small app has at first.
	bound := pageBound{records: int(size.Records*3/2) + 64, bytes: int(size.Bytes*3/2) + record.MaxDataBytes}
	op.Stats.SetExtension(pageKey, bound)
	return bound, true
}

// pageOf is the bound of the page that a document asks for, if it has one.
func pageOf(ctx context.Context) (pageBound, bool) {
	bound, ok := graphql.GetOperationContext(ctx).Stats.GetExtension(pageKey).(pageBound)
	return bound, ok
}

// memory is what the document may hold, of what it costs with the page that it asks for.
func (b pageBound) memory(m *meter, total cost) int {
	records := min(b.records, m.page)
	copies := max(1, m.selected/min(m.page, pageData/record.MaxDataBytes))
	data := min(copies*b.bytes, m.memory(ast.Query, total)-total.values*valueBytes)
	return (total.values*records/m.page+rootCost)*valueBytes + data
}
