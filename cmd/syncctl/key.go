package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"syncline/auth/signing"
	"syncline/client"
)

type keygenCommand struct {
	Force bool `help:"Replace an existing key. What it owns can then be reached no more."`
}

func (k *keygenCommand) Run(a *app) error {
	key, err := signing.GenerateKey()
	if err != nil {
		return err
	}
	if err := writeKey(a.Key, key, k.Force); err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]string{"owner": key.Public().String(), "key": a.Key})
		return nil
	}
	a.printf("key of %s\nwritten to %s: keep a copy in a safe place\n", key.Public(), a.Key)
	return nil
}

// writeKey stores a key that only its owner may read. Without force it never
// touches a file that is there.
func writeKey(path string, key signing.PrivateKey, force bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.WriteString(key.Hex() + "\n")
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if force {
		return os.Rename(temporary.Name(), path)
	}
	err = os.Link(temporary.Name(), path) // unlike Rename it fails if path is there
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a key at %s already; --force replaces it, and what it owns can then be reached no more", path)
	}
	return err
}

func readKey(path string) (signing.PrivateKey, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return signing.PrivateKey{}, fmt.Errorf("there is no key at %s: make one with syncctl keygen", path)
	}
	if err != nil {
		return signing.PrivateKey{}, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return signing.PrivateKey{}, fmt.Errorf("others may read the key at %s (mode %04o): chmod 600 it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return signing.PrivateKey{}, err
	}
	key, err := signing.ParsePrivateKey(strings.TrimSpace(string(text)))
	if err != nil {
		return signing.PrivateKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

type whoamiCommand struct {
	Offline bool `help:"Show the key's owner without asking the server."`
}

func (w *whoamiCommand) Run(ctx context.Context, a *app) error {
	if w.Offline {
		return a.showOwner()
	}
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		v, err := c.Viewer(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			a.printJSON(v)
			return nil
		}
		a.showFields([][2]string{
			{"owner", v.ID},
			{"server", a.URL},
			{"records", fmt.Sprint(v.RecordCount)},
			{"stored", size(int(v.StoredBytes))},
			{"head", fmt.Sprint(v.Head)},
			{"cursor", string(v.Cursor)},
		})
		return nil
	})
}

func (a *app) showOwner() error {
	key, err := readKey(a.Key)
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
