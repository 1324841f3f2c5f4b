package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Record is the latest state of one record, or its tombstone. The primary key
// is owner and id.
type Record struct{ ent.Schema }

// Annotations of a Record.
func (Record) Annotations() []schema.Annotation { return table("records") }

// Fields of a Record.
func (Record) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.String("id"),
		field.Int64("revision"),
		field.Bool("deleted").Default(false),
		field.String("schema_version").Default(""),
		field.String("client_id").Default("").Comment("empty: the last write gave none"),
		field.Int64("updated_at"),
		field.Bytes("data").Optional().Nillable().Comment("absent in a tombstone"),
	}
}

// Indexes of a Record: the feed, and the tombstones in it, for those that look for
// old ones.
func (Record) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("owner", "revision").Unique(),
		index.Fields("owner", "revision").StorageKey("record_tombstones").Annotations(entsql.IndexWhere("deleted")),
	}
}
