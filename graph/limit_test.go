package graph_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
)

//go:embed testdata/introspection.graphql
var introspection string

// refusedDocument is what becomes of a document that validation, or a limit, stops.
var refusedDocument = refusal{400, "GRAPHQL_VALIDATION_FAILED", ""}

func TestOrdinaryDocumentsAreWithinTheLimits(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	literal := strings.Repeat(`{set: {id: "%d", data: "YQ==", revision: 0, schemaVersion: "1"}} `, 100)
	ids := make([]any, 100)
	for i := range ids {
		literal = strings.Replace(literal, "%d", fmt.Sprint(i), 1)
		ids[i] = fmt.Sprint(i)
	}
	for name, query := range map[string]string{
		"introspection":   introspection,
		"a batch of 100":  `mutation {writeRecords(input: {writes: [` + literal + `]}) {status results {status newRevision record ` + recordFields + `}}}`,
		"two full pages":  `{a: changes(first: 1000) {...P} b: changes(first: 1000) {...P} viewer {id head}} fragment P on ChangePage {cursor records ` + recordFields + `}`,
		"records":         `query($ids: [ID!]!) {a: records(ids: $ids) ` + recordFields + ` b: records(ids: $ids) ` + recordFields + `}`,
		"50 root fields":  `{` + aliases(50, "limits {maxPage}") + `}`,
		"50 records":      `{` + aliases(50, `record(id: "1") `+recordFields) + `}`,
		"20 locks":        `{` + aliases(20, `lock(name: "a") `+lockFields) + `}`,
		"repeated fields": `{limits {` + strings.Repeat("maxPage ", 60) + `}}`,
	} {
		variables := vars(nil)
		if strings.Contains(query, "$ids") {
			variables = vars{"ids": ids}
		}
		a := c.do(t, query, variables)
		if a.status != 200 || len(a.Errors) > 0 {
			t.Errorf("%s: status %d: %s", name, a.status, clip(a.body))
		}
	}
	c.viewer(t).is("100", "head")
}

func aliases(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: %s ", i, field)
	}
	return b.String()
}

func TestDocumentsThatAskForTooMuch(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "a", "", 0)
	for name, test := range map[string]struct{ query, says string }{
		"directives":             {`{limits {maxPage ` + strings.Repeat("@a ", 201) + `}}`, "more than 200 directives"},
		"directives of all":      {`query($a: Int ` + strings.Repeat("@a ", 101) + `) ` + strings.Repeat("@b ", 100) + `{limits {maxPage}}`, "more than 200 directives"},
		"directives of fragment": {`{...F} fragment F on Query ` + strings.Repeat("@a ", 201) + `{limits {maxPage}}`, "more than 200 directives"},
		"variables":              {`query(` + strings.ReplaceAll(aliases(601, "Int"), "a", "$a") + `) {limits {maxPage}}`, "more than 600 variables"},
		"root fields":            {`{` + aliases(51, "limits {maxPage}") + `}`, "root fields"},
		"mutations":              {`mutation {` + aliases(51, `setRecord(input: {id: "a", data: "", revision: 1}) {status}`) + `}`, "root fields"},
		"pages":                  {`{` + aliases(3, `changes(first: 1000) {records `+recordFields+`}`) + `}`, "costs"},
		"data under aliases":     {`{changes(first: 64) {records {` + aliases(8, "data") + `}}}`, "costs"},
		"records":                {`{` + aliases(5, `records(ids: [`+strings.Repeat(`"a" `, 100)+`]) {data}`) + `}`, "costs"},
		"long aliases":           {`{changes(first: 1000) {records {` + strings.Repeat("a", 4000) + `: id}}}`, "costs"},
		"fields under aliases":   {`{changes(first: 1000) {records {` + aliases(40, "id") + `}}}`, "costs"},
		"introspection twice":    {twoIntrospections(), "costs"},
		"introspection in depth": {`{__schema {types {fields {type {fields {type {fields {name}}}}}}}}`, "introspection depth"},
		"fields":                 {`{` + aliases(4, "limits {...F}") + `} fragment F on Limits {` + aliases(900, "maxPage") + `}`, "more than 4000"},
		"repeated fields":        {`{limits {` + strings.Repeat("maxPage ", 2990) + `}}`, "too often"},
		"repeated fields inside": {`{` + strings.Repeat("changes {"+strings.Repeat("records {id} ", 30)+"} ", 30) + `}`, "too often"},
		"nested fragments":       {"{" + strings.Repeat("... {", 30) + "limits {maxPage}" + strings.Repeat("}", 30) + "}", "deep"},
		"fragments that double":  {`{...F0} ` + doubling(400, "Query", "limits {maxPage}"), "deep"},
		"doubling, not so deep":  {`{...F0} ` + doubling(20, "Query", "limits {maxPage}"), ""},
		"the same inside":        {`{__schema {...F0}} ` + doubling(20, "__Schema", "queryType {name}"), ""},
		"unused fragments":       {`{__typename} ` + doubling(20, "Query", "limits {maxPage}"), ""},
		"stream under aliases":   {`subscription {recordChanged {record {` + aliases(500, "id") + `}}}`, "a subscription lasts"},
		"stream with data":       {`subscription {recordChanged {record {` + aliases(8, "data") + `}}}`, "a subscription lasts"},
		"long stream":            {`subscription {recordChanged {kind}} #` + strings.Repeat("x", 5000), "a subscription lasts"},
		"fragment cycle":         {`{...A} fragment A on Query {...B} fragment B on Query {...A limits {maxPage}}`, "spreads itself"},
		"fragment of itself":     {`{...A} fragment A on Query {limits {maxPage} ...A}`, "spreads itself"},
	} {
		a := c.refused(t, test.query, nil, refusedDocument)
		if a.Data != nil || !strings.Contains(a.Errors[0].Message, test.says) {
			t.Errorf("%s: %s", name, clip(a.body))
		}
	}
	for _, query := range map[string]string{
		"tokens":            `{limits {` + strings.Repeat("maxPage ", 6001) + `}}`,
		"deep selections":   strings.Repeat("{a", 5000),
		"deep values":       `{records(ids: ` + strings.Repeat("[", 10000),
		"unfinished string": `{record(id: "` + strings.Repeat("x", 100000),
	} {
		c.refused(t, query, nil, refusal{400, "GRAPHQL_PARSE_FAILED", ""})
	}
	c.viewer(t).is("1", "head")
}

// What a document has the server read counts, also if the answer does not show it.
func TestDataThatIsNotShownCounts(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "a", "", 0)
	var ids, writes []any
	for i := range 100 {
		ids = append(ids, fmt.Sprint(i))
		writes = append(writes, vars{"set": vars{"id": fmt.Sprint(i), "data": ""}})
	}
	variables := vars{"ids": ids, "input": vars{"writes": writes}}
	for name, query := range map[string]string{
		"records": `query($ids: [ID!]!) {` + aliases(5, `records(ids: $ids) {id}`) + `}`,
		"pages":   `{` + aliases(8, `changes(first: 1000) {cursor}`) + `}`,
		"batches": `mutation($input: WriteRecordsInput!) {` + aliases(5, `writeRecords(input: $input) {status}`) + `}`,
	} {
		if a := c.refused(t, query, variables, refusedDocument); !strings.Contains(a.Errors[0].Message, "costs") {
			t.Errorf("%s: %s", name, clip(a.body))
		}
	}
	c.viewer(t).is("1", "head")
}

// To look for names that are like an unknown one takes most of a second, where a
// document has many long ones.
func TestUnknownTypesAreNotCompared(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("")
	a := c.refused(t, `{limits {maxPage}} fragment F on Recordd {id}`, nil, refusedDocument)
	if strings.Contains(a.body, "Did you mean") || !strings.Contains(a.body, "Recordd") {
		t.Error(a.body)
	}
}

// doubling is a chain of n fragments, each of which spreads the next twice.
func doubling(n int, on, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on %s {...F%d ...F%d} ", i, on, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on %s {%s}", n, on, field)
	return b.String()
}

func twoIntrospections() string {
	_, fragments, _ := strings.Cut(introspection, "fragment ")
	return `{a: __schema {...S} b: __schema {...S}} fragment S on __Schema {types {...FullType} directives {args {...InputValue}}} fragment ` + fragments
}
