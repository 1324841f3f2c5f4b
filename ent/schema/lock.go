package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// Lock is the fence of a lock that was ever granted, whatever keeps its
// holders. The primary key is owner and id.
type Lock struct{ ent.Schema }

// Annotations of a Lock.
func (Lock) Annotations() []schema.Annotation { return table("locks") }

// Fields of a Lock.
func (Lock) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.String("id").StorageKey("name"),
		field.Int64("fence").Comment("the newest token granted; it only rises"),
		field.Int64("used_at").DefaultFunc(func() int64 { return time.Now().UnixMicro() }).Comment("kept for a time from then on"),
	}
}

// LockHolder is a hold of a lock kept in the database. The primary key is
// owner, lock and id.
type LockHolder struct{ ent.Schema }

// Annotations of a LockHolder.
func (LockHolder) Annotations() []schema.Annotation { return table("lock_holders") }

// Fields of a LockHolder.
func (LockHolder) Fields() []ent.Field {
	return []ent.Field{
		owner(),
		field.String("lock").Immutable(),
		field.String("id").StorageKey("instance_id"),
		field.Bool("exclusive"),
		field.Int64("token"),
		field.Int64("expires_at"),
	}
}
