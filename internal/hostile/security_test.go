package hostile_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`")
	jsTest = regexp.MustCompile("`(web/[a-z]+): ([^`]+)`")
)

// Every claim in docs/security.md names the tests that show it, and they exist.
func TestSecurityIsTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	claims := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|---") || strings.Contains(cells[2], "shown by") || strings.Contains(cells[2], "target") {
			continue
		}
		claims++
		inGo, inJS := goTest.FindAllStringSubmatch(cells[2], -1), jsTest.FindAllStringSubmatch(cells[2], -1)
		if len(inGo)+len(inJS) == 0 {
			t.Errorf("nothing shows %.60q", cells[1])
		}
		for _, name := range inGo {
			if !anyFileHas(t, filepath.Join(root, name[1], "*_test.go"), "\nfunc "+name[2]+"(") {
				t.Errorf("there is no %s in %s", name[2], name[1])
			}
		}
		for _, name := range inJS {
			in := filepath.Join(root, name[1], "test")
			if title := "test('" + name[2] + "'"; !anyFileHas(t, filepath.Join(in, "*.ts"), title) && !anyFileHas(t, filepath.Join(in, "browser", "*.ts"), title) {
				t.Errorf("there is no test %q in %s", name[2], in)
			}
		}
	}
	if claims < 40 {
		t.Errorf("only %d claims were found", claims)
	}
}

func anyFileHas(t *testing.T, pattern, text string) bool {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), text) {
			return true
		}
	}
	return false
}
