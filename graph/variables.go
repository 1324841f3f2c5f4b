package graph

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
)

// For each request gqlparser checks the values of its variables, by reflection: a
// write makes sixty allocations there. Of a document that is kept, input objects
// and lists are checked here instead. What conforms goes on as a document whose
// variables are of a type that gqlparser takes as it is; what does not, or not
// for certain, goes on as the document itself, and gqlparser decides and says why.

// unchecked is the type of variables that gqlparser does not look into: a scalar
// that is not one of GraphQL's own.
const unchecked = "Bytes"

// withoutChecks is a document whose variables of input objects and lists gqlparser
// takes as they are. It shares all else with document, and is document itself if
// it has no such variables.
func withoutChecks(document *ast.QueryDocument) *ast.QueryDocument {
	operations := make(ast.OperationList, len(document.Operations))
	compound := false
	for i, operation := range document.Operations {
		operations[i] = operation
		if !slices.ContainsFunc(operation.VariableDefinitions, isCompound) {
			continue
		}
		compound = true
		loose := *operation
		loose.VariableDefinitions = slices.Clone(operation.VariableDefinitions)
		for j, definition := range loose.VariableDefinitions {
			if isCompound(definition) {
				variable := *definition
				variable.Type = &ast.Type{NamedType: unchecked, NonNull: definition.Type.NonNull}
				loose.VariableDefinitions[j] = &variable
			}
		}
		operations[i] = &loose
	}
	if !compound {
		return document
	}
	loose := *document
	loose.Operations = operations
	return &loose
}

// isCompound tells of a variable whose values have parts.
func isCompound(definition *ast.VariableDefinition) bool {
	return definition.Type.Elem != nil || definition.Definition.Kind == ast.InputObject
}

// conform tells whether gqlparser would take all values for an operation's compound
// variables, and change none of them. It may say no to some that it would take.
func conform(schema *ast.Schema, operation *ast.OperationDefinition, variables map[string]any) bool {
	for _, definition := range operation.VariableDefinitions {
		if !isCompound(definition) {
			continue
		}
		value, given := variables[definition.Variable]
		if !given && definition.DefaultValue != nil || given && !conforms(schema, definition.Type, value) {
			return false
		}
	}
	return true
}

// conforms judges one value, as it comes out of JSON.
func conforms(schema *ast.Schema, typ *ast.Type, value any) bool {
	if value == nil {
		return !typ.NonNull
	}
	if typ.Elem != nil {
		list, ok := value.([]any) // gqlparser makes one of what is none
		return ok && !slices.ContainsFunc(list, func(element any) bool { return !conforms(schema, typ.Elem, element) })
	}
	definition := schema.Types[typ.NamedType]
	switch definition.Kind {
	case ast.InputObject:
		object, ok := value.(map[string]any)
		return ok && hasFieldsOf(schema, definition, object)
	case ast.Enum:
		name, ok := value.(string)
		return ok && definition.EnumValues.ForName(name) != nil
	case ast.Scalar:
		return isScalar(typ.NamedType, value)
	default:
		return false
	}
}

func hasFieldsOf(schema *ast.Schema, definition *ast.Definition, object map[string]any) bool {
	for name := range object {
		if definition.Fields.ForName(name) == nil {
			return false
		}
	}
	for _, field := range definition.Fields {
		value, given := object[field.Name]
		if !given && field.Type.NonNull && field.DefaultValue == nil || given && !conforms(schema, field.Type, value) {
			return false
		}
	}
	return true
}

// isScalar judges GraphQL's own scalars. Those of the schema are judged
// where they are read.
func isScalar(name string, value any) bool {
	_, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch name {
	case "String":
		return isText
	case "ID":
		return isText || isNumber
	case "Int":
		_, err := strconv.ParseInt(string(number), 10, 64)
		return isNumber && err == nil
	case "Float":
		_, err := strconv.ParseFloat(string(number), 64)
		return isNumber && err == nil
	case "Boolean":
		_, isBool := value.(bool)
		return isBool
	default:
		return true
	}
}
