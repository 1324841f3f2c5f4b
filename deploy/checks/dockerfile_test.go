package checks

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// image is what the Dockerfile says of its last stage, and how the program in it
// is built.
type image struct {
	v1.Config
	compile string // the step, a line for a shell
	program string // what compile makes, in its own stage
	uid     int
}

// readDockerfile reads it as docker build does, whose warnings are errors here.
// Whether its steps make an image is shown by a container engine only: the
// workflow ci.yml runs it.
func readDockerfile(t *testing.T) image {
	t.Helper()
	file, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Error(warning.Short)
	}
	warn := func(rule, _, _, message string, _ []parser.Range) { t.Errorf("%s: %s", rule, message) }
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		t.Fatal(err)
	}
	img := image{Config: v1.Config{Volumes: map[string]struct{}{}, ExposedPorts: map[string]struct{}{}, Labels: map[string]string{}}}
	owner := ""
	for _, stage := range stages {
		for _, step := range stage.Commands {
			switch step := step.(type) {
			case *instructions.RunCommand:
				if line := strings.Join(step.CmdLine, " "); strings.Contains(line, "go build") {
					img.compile = line
				}
			case *instructions.CopyCommand:
				if step.From != "" && step.Chown == "" {
					img.program = step.SourcePaths[0]
				} else if step.From != "" {
					owner = step.Chown
				}
			case *instructions.EnvCommand:
				for _, variable := range step.Env {
					img.Env = append(img.Env, variable.String())
				}
			case *instructions.LabelCommand:
				for _, label := range step.Labels {
					img.Labels[label.Key] = strings.Trim(label.Value, `"`)
				}
			case *instructions.UserCommand:
				if step.User != owner {
					t.Errorf("it runs as %s, and its volume belongs to %q", step.User, owner)
				}
				img.User = step.User
				uid, _, _ := strings.Cut(step.User, ":")
				if img.uid, err = strconv.Atoi(uid); err != nil {
					t.Errorf("USER %s: an orchestrator that refuses root wants a number", step.User)
				}
			case *instructions.VolumeCommand:
				for _, path := range step.Volumes {
					img.Volumes[path] = struct{}{}
				}
			case *instructions.ExposeCommand:
				for _, port := range step.Ports {
					img.ExposedPorts[port+"/tcp"] = struct{}{}
				}
			case *instructions.WorkdirCommand:
				img.WorkingDir = step.Path
			case *instructions.HealthCheckCommand:
				bareWords(t, step.Health.Test[0] == "CMD", step.Health.Test[1:])
				img.Healthcheck = &v1.HealthConfig{
					Test: step.Health.Test, Interval: step.Health.Interval, Timeout: step.Health.Timeout,
					StartPeriod: step.Health.StartPeriod, Retries: step.Health.Retries,
				}
			case *instructions.StopSignalCommand:
				img.StopSignal = step.Signal
			case *instructions.EntrypointCommand:
				img.Entrypoint = bareWords(t, !step.PrependShell, step.CmdLine)
			case *instructions.CmdCommand:
				img.Cmd = bareWords(t, !step.PrependShell, step.CmdLine)
			}
		}
	}
	return img
}

// bareWords are the words of a command that needs no shell: the image has none.
func bareWords(t *testing.T, bare bool, words []string) []string {
	t.Helper()
	if !bare {
		t.Errorf("%q needs a shell", words)
	}
	return words
}

// What .dockerignore keeps from the builder is nothing that the program is compiled of.
func TestBuildContextIsWhole(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-deps", "-json=Dir,Module,GoFiles,EmbedFiles", ".")
	list.Dir, list.Stderr = "../..", os.Stderr
	out, err := list.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Start(); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum"}
	for packages := json.NewDecoder(out); ; {
		var p struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	if err := list.Wait(); err != nil || len(files) < 100 {
		t.Fatalf("go list: %d files, %v", len(files), err)
	}
	for _, name := range files {
		if left, err := ignored.MatchesOrParentMatches(name); left || err != nil {
			t.Errorf("%s is compiled, and .dockerignore leaves it out (%v)", name, err)
		}
	}
}
