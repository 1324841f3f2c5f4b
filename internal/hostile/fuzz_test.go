package hostile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(f \*testing\.F\)`)

// Every fuzz target begins from inputs that earlier runs found worth keeping,
// and docs/security.md names it beside what it protects.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	security, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range fuzzTarget.FindAllStringSubmatch(string(text), -1) {
			found++
			dir := filepath.Dir(path)
			if seeds, err := os.ReadDir(filepath.Join(dir, "testdata", "fuzz", match[1])); err != nil || len(seeds) < 5 {
				t.Errorf("%s in %s has %d seeds in testdata/fuzz, want at least 5 (%v)", match[1], dir, len(seeds), err)
			}
			if pkg, err := filepath.Rel(root, dir); err != nil || !strings.Contains(string(security), "`"+filepath.ToSlash(pkg)+"."+match[1]+"`") {
				t.Errorf("docs/security.md does not name %s of %s (%v)", match[1], pkg, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Errorf("only %d fuzz targets were found", found)
	}
}
