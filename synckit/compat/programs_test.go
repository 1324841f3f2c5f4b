package compat_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

// runProgram builds a program of testdata and runs it in an empty directory. It
// listens on a free port, and waits until it does where it gives itself time to.
func runProgram(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs(filepath.Join("testdata", name, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	address := testservers.FreeAddress(t)
	changed := strings.NewReplacer(
		`":8080"`, `"`+address+`"`,
		"localhost:8080", address,
		"time.Sleep(100 * time.Millisecond)", `awaitServer("`+address+`")`,
	).Replace(string(text))
	overlay := map[string]string{source: filepath.Join(dir, "main.go")}
	write(t, overlay[source], changed)
	if changed != string(text) {
		await := filepath.Join(filepath.Dir(source), "await.go")
		overlay[await] = filepath.Join(dir, "await.go")
		write(t, overlay[await], awaitServer)
	}
	replace, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(replace))
	program := filepath.Join(dir, "program")
	command(t, ".", "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "./testdata/"+name)
	return command(t, dir, program)
}

const awaitServer = `package main

import "net"

func awaitServer(address string) {
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
	}
}
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"quickstart":  "Sync completed: &{EventsPushed:0 EventsPulled:0 ConflictsResolved:0",
		"customstore": "Synced: 0 pushed, 1 pulled",
		"complete":    "Sync completed: 0 pushed, 0 pulled",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := runProgram(t, name); !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		})
	}
}

// The examples of the documentation, by their shape, compile: they make their managers with
// NewManager. Nothing is linked or run.
func TestDocumentedExamplesCompile(t *testing.T) {
	t.Parallel()
	build := []string{"build"}
	for _, name := range []string{"httpclient", "localonly", "storage", "conflicts", "filters", "autosync", "logging"} {
		build = append(build, "./testdata/"+name)
	}
	command(t, ".", "go", build...)
}
