package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// Epoch is one history of this database, numbered from 1; the highest is the
// present one. A restore from backup begins the next.
type Epoch struct{ ent.Schema }

// Annotations of an Epoch.
func (Epoch) Annotations() []schema.Annotation { return table("epochs") }

// Fields of an Epoch.
func (Epoch) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id").StorageKey("number"),
		field.Bytes("epoch").Comment("8 random bytes, carried by cursors"),
		field.Int64("base").Comment("revisions and fence tokens of every owner go on above it"),
		field.Int64("began_at"),
	}
}

// RestoredHead is an owner's head when an epoch began by a restore. The primary
// key is owner and id; an owner without a row had written nothing. Of an owner who was
// imported, the row of number 0 has the head that its devices may go by.
type RestoredHead struct{ ent.Schema }

// Annotations of a RestoredHead.
func (RestoredHead) Annotations() []schema.Annotation { return table("restored_heads") }

// Fields of a RestoredHead.
func (RestoredHead) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.Int("id").StorageKey("epoch_number"),
		field.Int64("head"),
	}
}
