// Package schema describes what Syncline stores.
//
// Every table is keyed by owner first. Ent knows single-column ids only, so the
// second part of each key stands as the id here, and the migrations declare the
// composite primary key: an id alone never names a row, every query names its
// owner too. Times are microseconds since 1970, UTC.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// table puts a prefix before the name, so that the tables can live beside
// another service's.
func table(name string) []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "syncline_" + name}}
}

func owner() ent.Field {
	return field.Bytes("owner").Immutable().Comment("compressed public key, 33 bytes")
}
