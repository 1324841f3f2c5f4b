// Command generate writes the packages of ent/ from ent/schema.
//
// Package ent/migrate has the tables in the form that migrations are compared with,
// in tests. It stands on Ent's schema tools, and these on Atlas and HCL. As Ent's client
// would import it, the client is then written once more without.
package main

import (
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

func main() {
	log.SetFlags(0)
	withMigrate, err := gen.NewStorage("sql")
	if err != nil {
		log.Fatalf("find Ent's driver for SQL: %v", err)
	}
	without := *withMigrate
	without.SchemaMode &^= gen.Migrate
	for _, storage := range []*gen.Storage{withMigrate, &without} {
		err := entc.Generate("./schema", &gen.Config{Storage: storage}, entc.FeatureNames("sql/upsert", "sql/lock", "sql/execquery"))
		if err != nil {
			log.Fatalf("generate ent: %v", err)
		}
	}
}
