package graph_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

func readSchema(t *testing.T, path string) *ast.SchemaDocument {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document, err := parser.ParseSchema(&ast.Source{Name: path, Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// The contract is what clients in other languages are written against.
func TestSchemaHasTheShapeOfTheContract(t *testing.T) {
	t.Parallel()
	got, want := shape(t, "../schema.graphql"), shape(t, "testdata/contract.graphql")
	for name, definition := range want {
		if got[name] != definition {
			t.Errorf("%s is\n%s\nwant\n%s", name, got[name], definition)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not in the contract", name)
		}
	}
}

// shape is a schema's definitions, written one way, without descriptions.
func shape(t *testing.T, path string) map[string]string {
	t.Helper()
	shapes := map[string]string{}
	for _, definition := range readSchema(t, path).Definitions {
		var text bytes.Buffer
		f := formatter.NewFormatter(&text, formatter.WithoutDescription())
		f.FormatSchemaDocument(&ast.SchemaDocument{Definitions: ast.DefinitionList{definition}})
		shapes[definition.Name] = strings.ReplaceAll(text.String(), ",", "") // a comma is white space
	}
	return shapes
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	t.Parallel()
	seen := 0
	check := func(description string, path ...string) {
		seen++
		if len(description) < len("Its name.") {
			t.Errorf("%s has no description", strings.Join(path, "."))
		}
	}
	for _, d := range readSchema(t, "../schema.graphql").Definitions {
		check(d.Description, d.Name)
		for _, f := range d.Fields {
			check(f.Description, d.Name, f.Name)
			for _, a := range f.Arguments {
				check(a.Description, d.Name, f.Name, a.Name)
			}
		}
		for _, v := range d.EnumValues {
			check(v.Description, d.Name, v.Name)
		}
	}
	if seen < 100 {
		t.Errorf("only %d things in the schema", seen)
	}
}

func TestSchemaHasNoDefer(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.refused(t, `{... @defer {viewer {id}}}`, nil, refusal{400, "GRAPHQL_VALIDATION_FAILED", ""})
	directives := c.ok(t, `{__schema {directives {name}}}`, nil).at("__schema", "directives").text()
	if strings.Contains(directives, "defer") || !strings.Contains(directives, "oneOf") {
		t.Errorf("directives are %s", directives)
	}
}
