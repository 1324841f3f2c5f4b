package model_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"syncline/graph/model"
)

type input interface{ UnmarshalGQL(object any) error }

var inputs = map[string]func() input{
	"SetRecordInput":    func() input { return new(model.SetRecordInput) },
	"DeleteRecordInput": func() input { return new(model.DeleteRecordInput) },
	"WriteRecordsInput": func() input { return new(model.WriteRecordsInput) },
	"RecordWrite":       func() input { return new(model.RecordWrite) },
	"SetWrite":          func() input { return new(model.SetWrite) },
	"DeleteWrite":       func() input { return new(model.DeleteWrite) },
	"FenceInput":        func() input { return new(model.FenceInput) },
	"SetLockInput":      func() input { return new(model.SetLockInput) },
	"EraseAccountInput": func() input { return new(model.EraseAccountInput) },
}

type inputSchema struct{ *ast.SchemaDocument }

func readSchema(t *testing.T) inputSchema {
	t.Helper()
	text, err := os.ReadFile("../../schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	document, err := parser.ParseSchema(&ast.Source{Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return inputSchema{document}
}

func (s inputSchema) objects() (objects []*ast.Definition) {
	for _, definition := range s.Definitions {
		if definition.Kind == ast.InputObject {
			objects = append(objects, definition)
		}
	}
	return objects
}

// value is one for a field that is neither its default nor Go's zero value.
func (s inputSchema) value(t *testing.T, typ *ast.Type) any {
	t.Helper()
	if typ.Elem != nil {
		return []any{s.value(t, typ.Elem), s.value(t, typ.Elem)}
	}
	switch typ.NamedType {
	case "ID", "String":
		return "text"
	case "Bytes":
		return "YQ=="
	case "Revision", "FenceToken", "Int":
		return json.Number("7")
	case "Boolean":
		return false // true is the default of all that there are
	}
	definition := s.Definitions.ForName(typ.NamedType)
	if definition == nil || definition.Kind != ast.InputObject {
		t.Fatalf("there is no value for %s", typ)
	}
	object := map[string]any{}
	for _, field := range definition.Fields {
		object[field.Name] = s.value(t, field.Type)
	}
	return object
}

// read is an object as its Go type has it, without what is null.
func read(t *testing.T, name string, object any) any {
	t.Helper()
	newInput, ok := inputs[name]
	if !ok {
		t.Fatalf("no Go type reads %s", name)
	}
	in := newInput()
	if err := in.UnmarshalGQL(object); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return plain(t, in)
}

// plain is a value as its JSON says it, without what is null.
func plain(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return withoutNulls(back)
}

func withoutNulls(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = withoutNulls(value[i])
		}
	case map[string]any:
		for name := range value {
			if value[name] == nil {
				delete(value, name)
			} else {
				value[name] = withoutNulls(value[name])
			}
		}
	}
	return value
}

// What is read by hand is read as the schema says it.
func TestInputsAreReadAsTheSchemaHasThem(t *testing.T) {
	t.Parallel()
	schema := readSchema(t)
	for _, definition := range schema.objects() {
		whole := schema.value(t, ast.NamedType(definition.Name, nil))
		if got, want := read(t, definition.Name, whole), plain(t, whole); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v, want %v", definition.Name, got, want)
		}
		least, want := map[string]any{}, map[string]any{}
		for _, field := range definition.Fields {
			switch {
			case field.DefaultValue != nil:
				value, err := field.DefaultValue.Value(nil)
				if err != nil {
					t.Fatal(err)
				}
				want[field.Name] = value
			case field.Type.NonNull:
				least[field.Name] = schema.value(t, field.Type)
				want[field.Name] = least[field.Name]
			}
		}
		if got, want := read(t, definition.Name, least), plain(t, want); !reflect.DeepEqual(got, want) {
			t.Errorf("the least of %s is read as %v, want %v", definition.Name, got, want)
		}
	}
	if read, declared := len(inputs), len(schema.objects()); read != declared {
		t.Errorf("%d objects are read, %d are declared", read, declared)
	}
}

// An error says where it is, whatever is wrong.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	schema := readSchema(t)
	tested := 0
	var spoil func(t *testing.T, name string, whole, value any, set func(any), path []string)
	spoil = func(t *testing.T, name string, whole, value any, set func(any), path []string) {
		t.Helper()
		switch value := value.(type) {
		case map[string]any:
			for field := range value {
				spoil(t, name, whole, value[field], func(v any) { value[field] = v }, append(path, field))
			}
		case []any:
			spoil(t, name, whole, value[1], func(v any) { value[1] = v }, append(path, "1"))
		default:
			set([]any{"neither text nor a number"})
			defer set(value)
			tested++
			failed, ok := errors.AsType[*model.FieldError](inputs[name]().UnmarshalGQL(whole))
			if want := strings.Join(path, "."); !ok || failed.Field != want {
				t.Errorf("%s with a wrong %s: %v", name, want, failed)
			}
		}
	}
	for _, definition := range schema.objects() {
		whole := schema.value(t, ast.NamedType(definition.Name, nil))
		spoil(t, definition.Name, whole, whole, nil, nil)
	}
	if tested < 30 {
		t.Errorf("%d fields were tested", tested)
	}
}
