package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

// The README's first minute prints what the README says that it prints, but for
// keys, times and cursors.
func TestReadmeStart(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "syncline/cmd/syncctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := testservers.StartSyncline(t)
	env := append(os.Environ(),
		"SYNCLINE_URL="+server.URL(),
		"SYNCLINE_KEY="+filepath.Join(t.TempDir(), "key"),
		"PATH="+bin+":"+os.Getenv("PATH"))

	commands := consoleCommands(string(readme))
	if len(commands) < 6 {
		t.Fatalf("only %d commands were found in the README", len(commands))
	}
	for _, c := range commands {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(c.line, "go run ./cmd/syncctl", "syncctl"))
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &out
		_ = cmd.Run() // a conflict ends with a code of its own
		if got, want := normal(out.String()), normal(c.output); got != want {
			t.Errorf("$ %s\nprints\n%s\nthe README says\n%s", c.line, got, want)
		}
	}
}

type consoleCommand struct{ line, output string }

// consoleCommands takes the commands and what they print out of console blocks.
func consoleCommands(markdown string) []consoleCommand {
	var commands []consoleCommand
	inside := false
	for line := range strings.Lines(markdown) {
		switch {
		case line == "```console\n":
			inside = true
		case line == "```\n":
			inside = false
		case inside && strings.HasPrefix(line, "$ "):
			commands = append(commands, consoleCommand{line: strings.TrimSpace(line[2:])})
		case inside:
			commands[len(commands)-1].output += line
		}
	}
	return commands
}

var variable = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{66}\b`), "OWNER"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "INSTANCE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`/\S+/key\b`), "FILE"},
	{regexp.MustCompile(`cursor \S+`), "cursor CURSOR"},
}

func normal(output string) string {
	for _, v := range variable {
		output = v.what.ReplaceAllString(output, v.name)
	}
	return strings.TrimSpace(output)
}

// The README's Go program compiles.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```go\n")
	program, _, _ := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no Go program")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
