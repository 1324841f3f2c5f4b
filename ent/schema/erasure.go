package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// Erasure is an owner whose data was erased and who may still have rows of it,
// which nobody sees. It ends when the last of them is removed.
type Erasure struct{ ent.Schema }

// Annotations of an Erasure.
func (Erasure) Annotations() []schema.Annotation { return table("erasures") }

// Fields of an Erasure.
func (Erasure) Fields() []ent.Field {
	return []ent.Field{
		field.Bytes("id").StorageKey("owner"),
		field.Int64("erased").Comment("the revision that the newest erasure took"),
	}
}
