package resolve

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"syncline/synckit"
)

// fields are a JSON object as a merge patch (RFC 7396) reads it: a field that is
// null is taken away, one that is an object is patched, any other is set.
type fields = map[string]any

var errNoObject = errors.New("the event's data is no JSON object")

func fieldsOf(e synckit.Event) (fields, error) {
	var raw json.RawMessage
	if err := synckit.DecodeData(e, &raw); err != nil {
		return nil, err
	}
	return parseFields(raw)
}

func parseFields(data []byte) (fields, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // so that numbers stay as they were written
	var parsed any
	if err := decoder.Decode(&parsed); err != nil {
		return nil, err
	}
	object, ok := parsed.(fields)
	if !ok {
		return nil, errNoObject
	}
	return object, nil
}

// follow is a patch that does what two patches do one after the other.
func follow(first, second fields) fields {
	both := maps.Clone(first)
	if both == nil {
		both = fields{}
	}
	for name, value := range second {
		inner, isObject := value.(fields)
		if before, ok := both[name].(fields); ok && isObject {
			value = follow(before, inner)
		}
		both[name] = value
	}
	return both
}

// disjoint tells whether no field is in both patches: they do the same in either
// order.
func disjoint(a, b fields) bool {
	for name, value := range a {
		other, shared := b[name]
		if !shared {
			continue
		}
		inner, ok := value.(fields)
		innerOther, both := other.(fields)
		if !ok || !both || !disjoint(inner, innerOther) {
			return false
		}
	}
	return true
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// names are those of the fields of either patch, sorted.
func names(a, b fields) []string {
	all := maps.Clone(a)
	if all == nil {
		all = fields{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// at finds the value of a path.
func (p fieldPath) at(value any) (any, bool) {
	for _, name := range p {
		object, ok := value.(fields)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// fieldPath leads to a field through objects.
type fieldPath []string

func (p fieldPath) to(name string) fieldPath { return append(slices.Clone(p), name) }
