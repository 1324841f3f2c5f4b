package client

import (
	"os"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestDocumentsFitTheSchema(t *testing.T) {
	text, err := os.ReadFile("../schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	documents := []string{
		changesDocument, recordDocument, recordsDocument, lockDocument, viewerDocument, limitsDocument,
		setRecordDocument, deleteRecordDocument, writeRecordsDocument, setLockDocument, eraseAccountDocument,
		recordChangedDocument, lockChangedDocument,
	}
	called := map[string]bool{}
	for _, d := range documents {
		parsed, errs := gqlparser.LoadQueryWithRules(schema, d, nil)
		if errs != nil {
			t.Errorf("%v in:\n%s", errs, d)
			continue
		}
		for _, s := range parsed.Operations[0].SelectionSet {
			called[s.(*ast.Field).Name] = true
		}
	}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range root.Fields {
			if !called[f.Name] && f.Name[0] != '_' {
				t.Errorf("no document calls %s", f.Name)
			}
		}
	}
}
