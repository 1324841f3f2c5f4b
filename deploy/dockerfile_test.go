package deploy

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// image is what a Dockerfile makes: a root directory, and how to run what is in it.
type image struct {
	root       string
	uid        int
	env        []string
	entrypoint []string
	command    []string
	health     []string
	volume     string
}

// builder carries out a Dockerfile in scratch directories, one for each stage. It
// knows what ours has, and fails on everything else. Base images are left out:
// the tools of the first stage are those of this machine, and the last stage
// begins with an empty /tmp.
type builder struct {
	t       *testing.T
	context string // what .dockerignore lets through
	stages  map[string]*stage
	stage   *stage
	image   image
}

type stage struct {
	root, dir string
	env       []string
}

func build(t *testing.T, dockerfile, context string) image {
	t.Helper()
	b := &builder{t: t, context: context, stages: map[string]*stage{}}
	for _, line := range instructions(dockerfile) {
		name, rest, _ := strings.Cut(line, " ")
		b.carryOut(name, strings.TrimSpace(rest))
	}
	b.image.root, b.image.env = b.stage.root, b.stage.env
	return b.image
}

// instructions are the Dockerfile's lines without comments.
func instructions(dockerfile string) []string {
	var lines []string
	for line := range strings.Lines(dockerfile) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (b *builder) carryOut(name, rest string) {
	b.t.Helper()
	switch name {
	case "FROM":
		b.from(strings.Fields(rest))
	case "WORKDIR":
		b.stage.dir = rest
		b.must(os.MkdirAll(b.stage.path(rest), 0o755))
	case "ARG", "EXPOSE":
	case "ENV":
		b.stage.env = append(b.stage.env, rest)
	case "COPY":
		b.copy(strings.Fields(rest))
	case "RUN":
		b.run(rest)
	case "VOLUME":
		b.image.volume = rest
	case "USER":
		uid, _, _ := strings.Cut(rest, ":")
		var err error
		b.image.uid, err = strconv.Atoi(uid)
		b.must(err)
	case "HEALTHCHECK":
		_, command, _ := strings.Cut(rest, " CMD ")
		b.image.health = b.words(command)
	case "STOPSIGNAL":
		if rest != "SIGTERM" {
			b.t.Errorf("STOPSIGNAL %s; the server drains on SIGTERM", rest)
		}
	case "ENTRYPOINT":
		b.image.entrypoint = b.words(rest)
	case "CMD":
		b.image.command = b.words(rest)
	default:
		b.t.Fatalf("%s %s: this test does not know how to carry it out", name, rest)
	}
}

func (b *builder) from(words []string) {
	root := b.t.TempDir()
	b.must(os.Chmod(root, 0o755))
	b.must(os.Mkdir(filepath.Join(root, "tmp"), 0o777))
	b.must(os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky))
	b.stage = &stage{root: root, dir: "/"}
	if i := slices.Index(words, "AS"); i >= 0 {
		b.stages[words[i+1]] = b.stage
	}
}

// path is where a path of the stage is on this machine.
func (s *stage) path(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	return filepath.Join(s.root, path)
}

func (b *builder) copy(words []string) {
	b.t.Helper()
	source, owner := b.context, -1
	for strings.HasPrefix(words[0], "--") {
		flag, value, _ := strings.Cut(words[0], "=")
		switch flag {
		case "--from":
			source = b.stages[value].root
		case "--chown":
			uid, _, _ := strings.Cut(value, ":")
			var err error
			owner, err = strconv.Atoi(uid)
			b.must(err)
		default:
			b.t.Fatalf("COPY %s: unknown to this test", flag)
		}
		words = words[1:]
	}
	from, to := words[:len(words)-1], words[len(words)-1]
	for _, name := range from {
		target := b.stage.path(to)
		if info, err := os.Stat(target); err == nil && info.IsDir() && name != "." {
			target = filepath.Join(target, filepath.Base(name))
		}
		b.copyTree(filepath.Join(source, name), target)
		if owner >= 0 && os.Getuid() == 0 {
			b.must(os.Chown(target, owner, owner))
		}
	}
}

func (b *builder) copyTree(from, to string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(to), 0o755))
	if out, err := exec.Command("cp", "-rT", from, to).CombinedOutput(); err != nil {
		b.t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

// run runs a command of the stage. /out is the only absolute path that ours name.
func (b *builder) run(command string) {
	b.t.Helper()
	cmd := exec.Command("sh", "-ec", strings.ReplaceAll(command, "/out", b.stage.path("/out")))
	cmd.Dir = b.stage.path(".")
	cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("RUN %s: %v\n%s", command, err, out)
	}
}

func (b *builder) words(array string) (words []string) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(array), &words); err != nil {
		b.t.Fatalf("%s: %v; an image without a shell needs the form of an array", array, err)
	}
	return words
}

func (b *builder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// buildContext is a copy of what git knows of the tree, without what .dockerignore names.
func buildContext(t *testing.T) string {
	t.Helper()
	ignored := instructions(read(t, "../.dockerignore"))
	for _, pattern := range ignored {
		if strings.ContainsAny(pattern, "*?[!") {
			t.Fatalf(".dockerignore: %q: this test knows plain paths only", pattern)
		}
	}
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	dir := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if slices.ContainsFunc(ignored, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") }) {
			continue
		}
		copyFile(t, filepath.Join("..", name), filepath.Join(dir, name))
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return // deleted, and not committed yet
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
