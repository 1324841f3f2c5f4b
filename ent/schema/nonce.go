package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Nonce is a signature's nonce that must not be seen again before it expires.
// The primary key is owner and id.
type Nonce struct{ ent.Schema }

// Annotations of a Nonce.
func (Nonce) Annotations() []schema.Annotation { return table("nonces") }

// Fields of a Nonce.
func (Nonce) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.Bytes("id").StorageKey("nonce"),
		field.Int64("expires_at"),
	}
}

// Indexes of a Nonce: for sweeping expired ones.
func (Nonce) Indexes() []ent.Index {
	return []ent.Index{index.Fields("expires_at")}
}
