package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"syncline/auth/signing"
)

// serviceKey is the key given, in hexadecimal, or else the one in a file, which
// is made on the first start. Whoever has it is the service, so keep a copy of
// it in a safe place.
func serviceKey(given, path string) (signing.PrivateKey, error) {
	if given != "" {
		return parseKey("SERVICE_KEY", given)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKey(path); err != nil {
			return signing.PrivateKey{}, fmt.Errorf("cannot keep a key: %w", err)
		}
		text, err = os.ReadFile(path) //nolint:gosec // the same
	}
	if err != nil {
		return signing.PrivateKey{}, err
	}
	return parseKey(path, string(text))
}

func parseKey(source, text string) (signing.PrivateKey, error) {
	key, err := signing.ParsePrivateKey(strings.TrimSpace(text))
	if err != nil {
		return signing.PrivateKey{}, fmt.Errorf("%s: %w; restore it from your copy", source, err)
	}
	return key, nil
}

// createKey keeps a new key in a file that only its owner may read. It appears
// as a whole, and never in place of one that another process made meanwhile.
func createKey(path string) error {
	key, err := signing.GenerateKey()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() //nolint:gosec // CreateTemp named it
	_, err = temporary.WriteString(key.Hex() + "\n")
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
