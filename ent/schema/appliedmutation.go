package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// AppliedMutation is what is remembered of an accepted write with a mutation id. The
// primary key is owner and id.
type AppliedMutation struct{ ent.Schema }

// Annotations of an AppliedMutation.
func (AppliedMutation) Annotations() []schema.Annotation { return table("mutations") }

// Fields of an AppliedMutation.
func (AppliedMutation) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.String("id"),
		field.Bytes("digest").Comment("SHA-256 of the content"),
		field.Bytes("revisions").Comment("of each write in order, as varints"),
		field.Int64("head").Comment("the owner's head then"),
		field.Int64("applied_at").Comment("kept for a time from then on"),
	}
}
