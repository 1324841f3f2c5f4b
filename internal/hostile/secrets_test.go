//go:build !race

package hostile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// Whoever gets hold of the database, or of the log, cannot act as a user: there
// is neither a key nor a signature in them.
func TestNothingSecretIsKept(t *testing.T) {
	t.Parallel()
	s := testservers.StartSyncline(t, "LOG_LEVEL=debug")
	key := keyOf("secret", 0)
	body := document(setOne, map[string]any{"i": map[string]any{"id": "a", "data": []byte("what the user wrote")}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(r, body, key, time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	ws, err := openSocket(t.Context(), dialerFrom("127.0.0.1"), s.Address, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.Close()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	signature := strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Signature"), "sig=:"), ":")
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(key.Hex())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]byte{"the log": []byte(s.Log())}
	err = filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kept[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for where, content := range kept {
		for what, bad := range map[string][]byte{
			"the private key": secret, "the private key in hex": []byte(key.Hex()), "a signature": raw, "a signature in base64": []byte(signature),
		} {
			if bytes.Contains(content, bad) {
				t.Errorf("%s has %s", where, what)
			}
		}
		found = found || bytes.Contains(content, []byte("what the user wrote"))
	}
	if !found {
		t.Error("what was written is nowhere: the test looks at the wrong files")
	}
}
