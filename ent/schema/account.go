package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// Account is an owner's counter row. Every write of that owner locks it first
// and keeps it locked to commit.
type Account struct{ ent.Schema }

// Annotations of an Account.
func (Account) Annotations() []schema.Annotation { return table("accounts") }

// Fields of an Account.
func (Account) Fields() []ent.Field {
	return []ent.Field{
		field.Bytes("id").StorageKey("owner"),
		field.Int64("head").Default(0).Comment("the newest revision"),
		field.Int64("floor").Default(0).Comment("tombstones at or below it are purged"),
		field.Int64("erased").Default(0).Comment("nothing that was written up to this revision is seen any more"),
		field.Int64("record_count").Default(0).Comment("live records"),
		field.Int64("stored_bytes").Default(0).Comment("data bytes of live records"),
		field.Int64("fence_token").Default(0).Comment("the newest token taken for any lock"),
		field.Int64("created_at").Default(0).Comment("0: before this was kept, or only locked so far"),
		field.Int64("tombstones").Default(0).Comment("how many there are"),
		field.Int64("mutation_bytes").Default(0).Comment("what the remembered mutation ids take"),
		field.Int64("fences").Default(0).Comment("how many there are"),
		field.Int64("holders").Default(0).Comment("how many are stored, of locks that are kept in the database"),
		field.Int64("forgotten_token").Default(0).Comment("fences that are not there any more stood at it or below"),
		field.Int64("quota_records").Default(0).Comment("the owner's own, -1 for none; 0: the server's"),
		field.Int64("quota_bytes").Default(0).Comment("the owner's own, -1 for none; 0: the server's"),
		field.Int64("pulls").Default(0).Comment("how often clients that do not page were to pull again, where instances have no broker"),
	}
}
