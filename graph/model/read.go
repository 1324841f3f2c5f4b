package model

import (
	"errors"
	"io"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"syncline/graph/scalar"
	"syncline/record"
)

// What gqlgen generates to read an input object copies it first, and makes a
// context for each field, by which an error is told where it was: some forty
// allocations for a write, and ten times as many for each of a batch's. Here
// objects are read as they are, and an error learns its way on its way up.

// FieldError says which field of an input object cannot be read.
type FieldError struct {
	Field string // from the argument on, dotted: writes.1.set.data
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap is the error of whatever read the field's value.
func (e *FieldError) Unwrap() error { return e.Err }

// within puts a name before the way to what cannot be read.
func within(name string, err error) error {
	if inner, ok := errors.AsType[*FieldError](err); ok {
		return &FieldError{name + "." + inner.Field, inner.Err}
	}
	return &FieldError{name, err}
}

// fields are those of an object that is being read, which validation has let pass: all are
// there that must be, and none that must not. err is the first that could not be read.
type fields struct {
	values map[string]any
	err    error
}

// open begins to read. A variable that is null may stand where an object must be, if
// it has a default: validation lets that pass.
func open(object any) fields {
	values, ok := object.(map[string]any)
	if !ok {
		return fields{err: &record.InvalidError{Reason: "must be an object"}}
	}
	return fields{values: values}
}

// read reads a field that has a default, or must be there.
func read[T any](f *fields, name string, unmarshal func(any) (T, error), byDefault T) T {
	given, ok := f.values[name]
	if !ok || f.err != nil {
		return byDefault
	}
	value, err := unmarshal(given)
	if err != nil {
		f.err = within(name, err)
	}
	return value
}

// readOptional is nil if the field is absent or null.
func readOptional[T any](f *fields, name string, unmarshal func(any) (T, error)) *T {
	if f.values[name] == nil || f.err != nil {
		return nil
	}
	var none T
	return new(read(f, name, unmarshal, none))
}

// readObject is nil if the field is absent or null.
func readObject[T any, P interface {
	*T
	UnmarshalGQL(object any) error
}](f *fields, name string) *T {
	given := f.values[name]
	if given == nil || f.err != nil {
		return nil
	}
	object := new(T)
	if err := P(object).UnmarshalGQL(given); err != nil {
		f.err = within(name, err)
	}
	return object
}

// UnmarshalGQL reads the object.
func (in *SetRecordInput) UnmarshalGQL(object any) error {
	f := open(object)
	in.ID = read(&f, "id", scalar.UnmarshalID, "")
	in.Data = read(&f, "data", scalar.UnmarshalBytes, nil)
	in.Revision = read(&f, "revision", scalar.UnmarshalRevision, 0)
	in.SchemaVersion = read(&f, "schemaVersion", scalar.UnmarshalString, "")
	in.ClientID = readOptional(&f, "clientId", scalar.UnmarshalString)
	in.MutationID = readOptional(&f, "mutationId", scalar.UnmarshalID)
	in.Fence = readObject[FenceInput](&f, "fence")
	return f.err
}

// UnmarshalGQL reads the object.
func (in *DeleteRecordInput) UnmarshalGQL(object any) error {
	f := open(object)
	in.ID = read(&f, "id", scalar.UnmarshalID, "")
	in.Revision = read(&f, "revision", scalar.UnmarshalRevision, 0)
	in.ClientID = readOptional(&f, "clientId", scalar.UnmarshalString)
	in.MutationID = readOptional(&f, "mutationId", scalar.UnmarshalID)
	in.Fence = readObject[FenceInput](&f, "fence")
	return f.err
}

// UnmarshalGQL reads the object.
func (in *WriteRecordsInput) UnmarshalGQL(object any) error {
	f := open(object)
	list := graphql.CoerceList(f.values["writes"])
	in.Writes = make([]RecordWrite, len(list))
	for i := range list {
		if err := in.Writes[i].UnmarshalGQL(list[i]); err != nil {
			return within("writes", within(strconv.Itoa(i), err))
		}
	}
	in.ClientID = readOptional(&f, "clientId", scalar.UnmarshalString)
	in.MutationID = readOptional(&f, "mutationId", scalar.UnmarshalID)
	in.Fence = readObject[FenceInput](&f, "fence")
	return f.err
}

// UnmarshalGQL reads the object.
func (in *RecordWrite) UnmarshalGQL(object any) error {
	f := open(object)
	if _, given := f.values["set"]; given {
		in.Set = graphql.OmittableOf(readObject[SetWrite](&f, "set"))
	}
	if _, given := f.values["delete"]; given {
		in.Delete = graphql.OmittableOf(readObject[DeleteWrite](&f, "delete"))
	}
	return f.err
}

// UnmarshalGQL reads the object.
func (in *SetWrite) UnmarshalGQL(object any) error {
	f := open(object)
	in.ID = read(&f, "id", scalar.UnmarshalID, "")
	in.Data = read(&f, "data", scalar.UnmarshalBytes, nil)
	in.Revision = read(&f, "revision", scalar.UnmarshalRevision, 0)
	in.SchemaVersion = read(&f, "schemaVersion", scalar.UnmarshalString, "")
	return f.err
}

// UnmarshalGQL reads the object.
func (in *DeleteWrite) UnmarshalGQL(object any) error {
	f := open(object)
	in.ID = read(&f, "id", scalar.UnmarshalID, "")
	in.Revision = read(&f, "revision", scalar.UnmarshalRevision, 0)
	return f.err
}

// UnmarshalGQL reads the object.
func (in *FenceInput) UnmarshalGQL(object any) error {
	f := open(object)
	in.Lock = read(&f, "lock", scalar.UnmarshalString, "")
	in.Token = read(&f, "token", scalar.UnmarshalFenceToken, 0)
	return f.err
}

// UnmarshalGQL reads the object.
func (in *SetLockInput) UnmarshalGQL(object any) error {
	f := open(object)
	in.Name = read(&f, "name", scalar.UnmarshalString, "")
	in.InstanceID = read(&f, "instanceId", scalar.UnmarshalID, "")
	in.Acquire = read(&f, "acquire", scalar.UnmarshalBoolean, true)
	in.Exclusive = read(&f, "exclusive", scalar.UnmarshalBoolean, true)
	in.TTLSeconds = read(&f, "ttlSeconds", scalar.UnmarshalInt, 30)
	in.Token = readOptional(&f, "token", scalar.UnmarshalFenceToken)
	return f.err
}

// UnmarshalGQL reads the object.
func (in *EraseAccountInput) UnmarshalGQL(object any) error {
	f := open(object)
	in.Owner = read(&f, "owner", scalar.UnmarshalID, "")
	in.MutationID = readOptional(&f, "mutationId", scalar.UnmarshalID)
	return f.err
}

// gqlgen takes for a type that reads itself only one that writes itself, too. None of
// these is ever called.

func (SetRecordInput) MarshalGQL(io.Writer)    {}
func (DeleteRecordInput) MarshalGQL(io.Writer) {}
func (WriteRecordsInput) MarshalGQL(io.Writer) {}
func (RecordWrite) MarshalGQL(io.Writer)       {}
func (SetWrite) MarshalGQL(io.Writer)          {}
func (DeleteWrite) MarshalGQL(io.Writer)       {}
func (FenceInput) MarshalGQL(io.Writer)        {}
func (SetLockInput) MarshalGQL(io.Writer)      {}
func (EraseAccountInput) MarshalGQL(io.Writer) {}
