package servers

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
)

// Where the server compares a signature with the key that it names, and what
// stands there in the benchmark's own build: the key is believed. Headers,
// digests, times and nonces are checked as ever.
const (
	verifyFile = "auth/signing/parse.go"
	verifyFunc = "VerifyBy"
	believe    = "{ return s.KeyID, nil }"
)

var errNoVerify = errors.New("signatures cannot be switched off: " + verifyFile + " has no method " + verifyFunc)

// buildUnsigned builds the server with signatures switched off. The source tree
// stays as it is: the compiler is handed another text of one file.
func (b *Builder) buildUnsigned(ctx context.Context, target string) error {
	original := filepath.Join(b.root, verifyFile)
	text, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	changed, err := replaceBody(text, verifyFunc, believe)
	if err != nil {
		return err
	}
	replacement := filepath.Join(b.dir, "believing.go")
	if err := os.WriteFile(replacement, changed, 0o600); err != nil { //nolint:gosec // below a directory of its own
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return err
	}
	return goBuild(ctx, b.root, target, ".", "-overlay", file)
}

// replaceBody gives the one function or method of that name another body.
func replaceBody(text []byte, name, body string) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, verifyFile, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name && f.Body != nil {
			from, to := files.Position(f.Body.Pos()).Offset, files.Position(f.Body.End()).Offset
			changed := append([]byte{}, text[:from]...)
			return append(append(changed, body...), text[to:]...), nil
		}
	}
	return nil, errNoVerify
}
