// Command pocketbase is PocketBase with its defaults and one collection, in
// which anyone may create records and list them: the peer of the benchmark's
// writes and pages.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
)

func main() {
	app := pocketbase.New()
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		if err := addRecords(app); err != nil {
			return err
		}
		return e.Next()
	})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}

// addRecords makes the collection, if it is not there yet.
func addRecords(app core.App) error {
	if _, err := app.FindCollectionByNameOrId("records"); err == nil {
		return nil
	}
	anyone := ""
	c := core.NewBaseCollection("records")
	c.CreateRule, c.ListRule = &anyone, &anyone
	c.Fields.Add(
		&core.TextField{Name: "owner", Required: true},
		&core.TextField{Name: "data"},
		&core.NumberField{Name: "revision"},
	)
	return app.Save(c)
}
