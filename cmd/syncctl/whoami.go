package main

import (
	"context"
	"fmt"

	"syncline/client"
)

type whoamiCommand struct {
	Offline bool `help:"Show the key's owner without asking the server."`
}

func (w *whoamiCommand) Run(ctx context.Context, a *app) error {
	if w.Offline {
		return a.showOwner(ctx)
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	v, err := c.Viewer(ctx)
	if err != nil {
		return err
	}
	a.showViewer(v)
	return nil
}

func (a *app) showViewer(v client.Viewer) {
	if a.JSON {
		a.printJSON(v)
		return
	}
	a.showFields([][2]string{
		{"owner", v.ID},
		{"server", a.URL},
		{"records", fmt.Sprint(v.RecordCount)},
		{"stored", size(int(v.StoredBytes))},
		{"head", fmt.Sprint(v.Head)},
		{"cursor", string(v.Cursor)},
	})
}

func (a *app) showOwner(ctx context.Context) error {
	key, err := a.key(ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]string{"id": key.Public().String()})
		return nil
	}
	a.printf("%s\n", key.Public())
	return nil
}
