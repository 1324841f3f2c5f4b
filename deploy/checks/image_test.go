package checks

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// What deploy/image makes is the image of the Dockerfile: its settings, and its program byte for byte,
// wherever the tree lies. It holds what is expected and nothing else.
func TestImage(t *testing.T) {
	t.Parallel()
	img, built := readDockerfile(t), makeImage(t, "../..")
	requireSameSettings(t, img.Config, built.settings.Config)
	if img.uid == 0 || img.StopSignal != "SIGTERM" {
		t.Errorf("it runs as user %d and is stopped by %s; it drains on SIGTERM", img.uid, img.StopSignal)
	}

	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	root, err := filepath.Abs("../..")
	if err == nil {
		err = os.Symlink(root, elsewhere)
	}
	if err != nil {
		t.Fatal(err)
	}
	if again := makeImage(t, elsewhere); again.digest != built.digest {
		t.Errorf("made a second time it is %s, not %s", again.digest, built.digest)
	}
	program := filepath.Join(built.root, img.Entrypoint[0])
	compiled := filepath.Join(t.TempDir(), "syncline")
	compile := exec.Command("sh", "-ec", strings.ReplaceAll(img.compile, img.program, compiled))
	compile.Dir = elsewhere
	compile.Env = append(compile.Environ(), "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH, "VERSION="+built.settings.Config.Labels["org.opencontainers.image.version"])
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("RUN %s: %v\n%s", img.compile, err, out)
	}
	if read(t, compiled) != read(t, program) {
		t.Error("the Dockerfile compiles another program than deploy/image")
	}

	requireStatic(t, program)
	requireLean(t, program)
	built.requireContent(t, img.uid)
	built.requireServes(t, img.uid)
}

// made is an image that deploy/image made for this machine.
type made struct {
	digest   v1.Hash // of the index
	settings *v1.ConfigFile
	root     string // where it was unpacked
	entries  []*tar.Header
}

// makeImage does what make image does, but for one processor, and unpacks it.
func makeImage(t *testing.T, tree string) (m made) {
	t.Helper()
	tree, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "run", ".", "-C", tree, "-o", dir, "-arch", runtime.GOARCH)
	cmd.Dir = "../image"
	// The tree may be another user's.
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("deploy/image: %v\n%s", err, out)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil || len(list.Manifests) != 1 || !list.Manifests[0].Platform.Equals(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}) {
		t.Fatalf("index: %+v, %v", list, err)
	}
	img, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	// What docker load takes is the same.
	archived, err := tarball.ImageFromPath(filepath.Join(dir, "syncline-"+runtime.GOARCH+".tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := img.ConfigName()
	if same, otherErr := archived.ConfigName(); err != nil || otherErr != nil || same != settings {
		t.Errorf("the archive has %s (%v), the layout %s (%v)", same, otherErr, settings, err)
	}
	if m.settings, err = img.ConfigFile(); err != nil {
		t.Fatal(err)
	}
	if m.digest, err = index.Digest(); err != nil {
		t.Fatal(err)
	}
	m.root = t.TempDir()
	unpacked := mutate.Extract(img)
	defer unpacked.Close()
	if m.entries, err = unpack(unpacked, m.root); err != nil {
		t.Fatal(err)
	}
	return m
}

// unpack makes files and directories as a container engine does, with their owners if this is root.
func unpack(from io.Reader, dir string) (entries []*tar.Header, err error) {
	if err := os.Chmod(dir, 0o755); err != nil { // a user without privileges runs in it
		return nil, err
	}
	for archive := tar.NewReader(from); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, header)
		target, mode := filepath.Join(dir, header.Name), header.FileInfo().Mode()
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(target, 0o755)
		} else {
			var content []byte
			if content, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(target, content, 0o600)
			}
		}
		if err = errors.Join(err, os.Chmod(target, mode)); err == nil && os.Getuid() == 0 {
			err = os.Chown(target, header.Uid, header.Gid)
		}
		if err != nil {
			return nil, err
		}
	}
}

// requireSameSettings compares what the Dockerfile says with what the image has. Its own
// base image adds the two variables that all of its kind have.
func requireSameSettings(t *testing.T, dockerfile, built v1.Config) {
	t.Helper()
	dockerfile.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"}, dockerfile.Env...)
	for label, value := range built.Labels {
		if said, ok := dockerfile.Labels[label]; !ok || said != value && !strings.HasPrefix(said, "$") {
			t.Errorf("label %s is %q, in the Dockerfile %q", label, value, said)
		}
	}
	for label, said := range dockerfile.Labels {
		if _, ok := built.Labels[label]; !ok && said != "$SOURCE" && said != "$REVISION" { // which are not always known
			t.Errorf("the Dockerfile has the label %s", label)
		}
	}
	dockerfile.Labels, built.Labels = nil, nil
	if !reflect.DeepEqual(dockerfile, built) {
		t.Errorf("the settings differ:\nDockerfile   %+v %+v\ndeploy/image %+v %+v", dockerfile, dockerfile.Healthcheck, built, built.Healthcheck)
	}
}

const zones = "usr/share/zoneinfo"

// requireContent makes sure that the image holds what the server needs, and nothing that helps an intruder.
func (m made) requireContent(t *testing.T, uid int) {
	t.Helper()
	var names []string
	zoneFiles := 0
	for _, e := range m.entries {
		if !strings.HasPrefix(e.Name, zones+"/") {
			names = append(names, e.Name)
		} else if e.Typeflag == tar.TypeReg {
			zoneFiles++
		}
		if e.Typeflag != tar.TypeReg && e.Typeflag != tar.TypeDir || e.Mode&0o6000 != 0 || len(e.PAXRecords) > 0 { // which would be capabilities
			t.Errorf("%s is neither a plain file nor a plain directory: %o", e.Name, e.Mode)
		}
		program, scratch, volume := e.Name == "syncline", e.Name == "tmp", e.Name == "db"
		if e.Mode&0o002 != 0 && (!scratch || e.Mode != 0o1777) {
			t.Errorf("everybody may write to %s", e.Name)
		}
		if e.Typeflag == tar.TypeReg && e.Mode&0o111 != 0 && !program {
			t.Errorf("%s is a program", e.Name)
		}
		if owner := map[bool]int{true: uid}[volume]; e.Uid != owner || e.Gid != owner {
			t.Errorf("%s belongs to %d:%d", e.Name, e.Uid, e.Gid)
		}
	}
	slices.Sort(names)
	if want := []string{"db", "etc", "etc/group", "etc/passwd", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt", "syncline", "tmp", "usr", "usr/share", zones}; !slices.Equal(names, want) {
		t.Errorf("it holds\n%q, want\n%q", names, want)
	}
	if zoneFiles < 300 {
		t.Errorf("it knows only %d time zones", zoneFiles)
	}
	if _, err := time.LoadLocationFromTZData("Europe/Berlin", []byte(read(t, filepath.Join(m.root, zones, "Europe/Berlin")))); err != nil {
		t.Error(err)
	}
	roots := read(t, filepath.Join(m.root, "etc/ssl/certs/ca-certificates.crt"))
	if n := strings.Count(roots, "BEGIN CERTIFICATE"); n < 80 || !x509.NewCertPool().AppendCertsFromPEM([]byte(roots)) {
		t.Errorf("%d certificates", n)
	}
	for user := range strings.Lines(read(t, filepath.Join(m.root, "etc/passwd"))) {
		if !strings.HasPrefix(user, fmt.Sprintf("nonroot:x:%d:%d:", uid, uid)) || !strings.HasSuffix(user, ":/sbin/nologin\n") {
			t.Errorf("user %q", user)
		}
	}
}

// requireStatic makes sure that a program needs no loader and no library.
func requireStatic(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it needs the libraries %q", libraries)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("it needs a loader")
	}
}

// requireLean makes sure that a program has no tables for debuggers, no path of who compiled it, and the
// modules that its packages come from: none of the tools that only write or compare schemas.
func requireLean(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("it is not stripped")
	}
	if root, err := filepath.Abs("../.."); err != nil || bytes.Contains([]byte(read(t, path)), []byte(root+"/")) {
		t.Errorf("it names %s, where it was compiled (%v)", root, err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(info.Settings, debug.BuildSetting{Key: "-pgo", Value: "default.pgo"}) {
		t.Error("it is not compiled by default.pgo")
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", ".")
	list.Dir, list.Env, list.Stderr = "../..", append(list.Environ(), "CGO_ENABLED=0"), os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, has := map[string]bool{}, map[string]bool{}
	for _, module := range strings.Fields(string(out)) {
		want[module] = true
	}
	for _, module := range info.Deps {
		has[module.Path+"@"+module.Version] = true
		if slices.Contains([]string{"ariga.io/atlas", "github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "golang.org/x/tools"}, module.Path) {
			t.Errorf("it has %s, which a server does not run", module.Path)
		}
	}
	if len(has) < 10 || !maps.Equal(has, want) || info.Main.Path != "syncline" {
		t.Errorf("it is %s of the modules\n%q, want\n%q", info.Main.Path, slices.Sorted(maps.Keys(has)), slices.Sorted(maps.Keys(want)))
	}
}

// What compiles the image is what go.mod and CI name.
func TestOneGoVersion(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(read(t, "../../go.mod"), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	for _, file := range []string{"../../Dockerfile", "../../.github/workflows/ci.yml"} {
		if !strings.Contains(read(t, file), "golang:"+version+"-") {
			t.Errorf("%s does not build with Go %s, which go.mod asks for", file, version)
		}
	}
}
