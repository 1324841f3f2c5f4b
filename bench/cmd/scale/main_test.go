package main

import (
	"os"
	"strings"
	"testing"
)

// docs/scale.md shows what this computes of the recorded run.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- computed: go run ./cmd/scale, in bench/ -->\n")
	shown, _, found := strings.Cut(rest, "<!-- end -->")
	if !found {
		t.Fatal("the document does not say where the tables begin and end")
	}
	var b strings.Builder
	if err := show(&b, "../../results/scale/results.json", usual()); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(shown) != strings.TrimSpace(b.String()) {
		t.Errorf("the document shows other tables than\n%s", b.String())
	}
}

// A run without the costs is refused, with what it lacks.
func TestRunWithoutCosts(t *testing.T) {
	t.Parallel()
	err := show(&strings.Builder{}, "../../results/results.json", usual())
	if err == nil || !strings.Contains(err.Error(), "instance µs each") {
		t.Errorf("the error is %v", err)
	}
}
