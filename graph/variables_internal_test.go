package graph

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// everyKind has each kind of input that GraphQL knows.
const everyKind = `
scalar Bytes
scalar Other
enum Colour { RED GREEN }
input Leaf { id: ID!, text: String, number: Int, ratio: Float, on: Boolean, other: Other, colour: Colour, some: Int! = 3, preset: String = "x" }
input Node { leaf: Leaf, leaves: [Leaf!], deep: [[Int]], nodes: [Node], must: [ID!]! = [], colours: [Colour!]! = [RED] }
input Choice @oneOf { text: String, leaf: Leaf }
type Query {
	leaf(v: Leaf): Int
	node(v: Node!): Int
	choice(v: Choice!): Int
	ids(v: [ID!]!): Int
	numbers(v: [Int]): Int
	deep(v: [[Int!]]): Int
	number(v: Int): Int
}`

// checkedDocuments are documents over everyKind, of one operation each.
var checkedDocuments = []string{
	`query($v: Leaf) { leaf(v: $v) }`,
	`query($v: Node!) { node(v: $v) }`,
	`query($v: Choice!) { choice(v: $v) }`,
	`query($v: [ID!]!) { ids(v: $v) }`,
	`query($v: [Int]) { numbers(v: $v) }`,
	`query($v: [[Int!]]) { deep(v: $v) }`,
	`query($v: Node! = {leaves: {id: 1}}) { node(v: $v) }`,
	`query($v: [Int] = 5) { numbers(v: $v) }`,
	`query($v: Leaf, $n: Int = 7, $m: [Int] = [1]) { leaf(v: $v) number(v: $n) numbers(v: $m) }`,
	`query($v: Int) { number(v: $v) }`,
}

// conforming says for which document and variables there is no need to ask gqlparser.
var conforming = []struct {
	document  int
	variables string
	want      bool
}{
	{0, `{"v": {"id": "a", "text": "b", "number": 5, "ratio": 0.5, "on": true, "other": {"any": [1]}, "colour": "RED", "some": 3, "preset": null}}`, true},
	{0, `{"v": {"id": 5, "number": -5, "ratio": 1e3}}`, true},
	{0, `{"v": null}`, true},
	{0, `{}`, true},
	{0, `{"v": {}}`, false},
	{0, `{"v": {"id": null}}`, false},
	{0, `{"v": {"id": "a", "nope": 1}}`, false},
	{0, `{"v": {"id": "a", "__typename": "Leaf"}}`, false}, // gqlparser would take it
	{0, `{"v": {"id": "a", "some": null}}`, false},
	{0, `{"v": {"id": "a", "number": 1.5}}`, false},
	{0, `{"v": {"id": "a", "number": 9223372036854775808}}`, false},
	{0, `{"v": {"id": "a", "number": "5"}}`, false}, // likewise
	{0, `{"v": {"id": "a", "ratio": 1e999}}`, false},
	{0, `{"v": {"id": "a", "text": 5}}`, false}, // likewise
	{0, `{"v": {"id": "a", "on": "true"}}`, false},
	{0, `{"v": {"id": "a", "colour": "BLUE"}}`, false},
	{0, `{"v": {"id": ["a"]}}`, false},
	{0, `{"v": [{"id": "a"}]}`, false},
	{0, `{"v": "a"}`, false},
	{1, `{"v": {"leaf": {"id": "a"}, "leaves": [{"id": "b"}], "deep": [[1, null], null], "nodes": [null, {"nodes": []}], "must": ["a"], "colours": ["GREEN"]}}`, true},
	{1, `{"v": {}}`, true},
	{1, `{"v": {"leaves": {"id": "b"}}}`, false}, // gqlparser makes it a list
	{1, `{"v": {"leaves": [null]}}`, false},
	{1, `{"v": {"nodes": [{"leaf": {"id": "a", "nope": 1}}]}}`, false},
	{1, `{"v": null}`, false},
	{1, `{}`, true}, // gqlparser refuses it without looking at values
	{2, `{"v": {"text": "a", "leaf": null}}`, true},
	{3, `{"v": ["a", 1]}`, true},
	{3, `{"v": "a"}`, false},
	{3, `{"v": ["a", null]}`, false},
	{4, `{"v": [1, null]}`, true},
	{5, `{"v": [[1], null, []]}`, true},
	{5, `{"v": [1]}`, false},
	{6, `{}`, false}, // the default is gqlparser's to read
	{6, `{"v": {}}`, true},
	{7, `{}`, false},
	{8, `{"v": {"id": "a"}, "n": 1, "m": [2]}`, true},
	{8, `{"v": {"id": "a"}, "n": 1.5, "m": [2]}`, true}, // n is not looked at here
	{8, `{"v": {"id": "a"}}`, false},
	{9, `{"v": 5}`, true},
}

type checkedDocument struct{ document, unchecked *ast.QueryDocument }

func checkedSchema(t testing.TB) (*ast.Schema, []checkedDocument) {
	t.Helper()
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: everyKind})
	if err != nil {
		t.Fatal(err)
	}
	documents := make([]checkedDocument, len(checkedDocuments))
	for i, text := range checkedDocuments {
		document, errs := gqlparser.LoadQueryWithRules(schema, text, rules.NewDefaultRules())
		if len(errs) > 0 {
			t.Fatal(text, errs)
		}
		documents[i] = checkedDocument{document, withoutChecks(document)}
	}
	return schema, documents
}

func readVariables(text string) (variables map[string]any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return variables, d.Decode(&variables)
}

func TestOrdinaryVariablesConform(t *testing.T) {
	t.Parallel()
	schema, documents := checkedSchema(t)
	for _, test := range conforming {
		variables, err := readVariables(test.variables)
		if err != nil {
			t.Fatal(test.variables, err)
		}
		if got := conform(schema, documents[test.document].document.Operations[0], variables); got != test.want {
			t.Errorf("%s with %s: conforms is %v", checkedDocuments[test.document], test.variables, got)
		}
	}
}

// FuzzVariables compares with gqlparser: what conforms is taken by it, unchanged, and
// becomes the same as without its checks.
func FuzzVariables(f *testing.F) {
	for _, seed := range conforming {
		f.Add(seed.document, seed.variables)
	}
	schema, documents := checkedSchema(f)
	f.Fuzz(func(t *testing.T, index int, text string) {
		d := documents[uint(index)%uint(len(documents))]
		variables, err := readVariables(text)
		if err != nil || !conform(schema, d.document.Operations[0], variables) {
			return
		}
		again, _ := readVariables(text)
		want, err := validator.VariableValues(schema, d.document.Operations[0], again)
		got, err2 := validator.VariableValues(schema, d.unchecked.Operations[0], variables)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%s: gqlparser says %v, without checks %v", text, err, err2)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s becomes %#v, without checks %#v", text, want, got)
		}
	})
}
