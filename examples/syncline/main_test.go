package main

import (
	"os"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

func TestRun(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	var out strings.Builder
	if err := run(t.Context(), &out, server.URL()); err != nil {
		t.Fatal(err)
	}
	want := `the phone pushed 3, the laptop pulled 3
ItemAdded "milk"
ItemAdded "bread"
ItemAdded "tea"
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
