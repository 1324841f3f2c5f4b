package testservers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initCluster makes the files of an empty server. initdb computes for a second; a
// copy of what it made once takes a fifth of that. The copies are equal, with the
// system identifier, as those of one server's backups are.
func (p *Postgres) initCluster() {
	p.t.Helper()
	archive, err := p.clusterArchive()
	if err != nil { // as in a tree that is another user's
		p.initdb()
		return
	}
	if _, err := os.Stat(archive); err == nil {
		if out, err := exec.Command("tar", "-xpf", archive, "-C", p.dir).CombinedOutput(); err != nil {
			p.t.Fatalf("copy the files of an empty server: %v\n%s", err, out)
		}
		return
	}
	p.initdb()
	if err := keepCluster(p.dir, archive); err != nil {
		p.t.Logf("keep the files of an empty server: %v", err)
	}
}

func (p *Postgres) initdb() {
	p.t.Helper()
	p.command("initdb", "-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
}

// clusterArchive is where the files of an empty server of this version are kept,
// owned as this process's servers need it.
func (p *Postgres) clusterArchive() (path string, err error) {
	dir, err := kept("postgres")
	if err != nil {
		return "", err
	}
	version, err := exec.Command(filepath.Join(p.bin, "initdb"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("initdb --version: %w", err)
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' {
			return '-'
		}
		return r
	}, strings.TrimSpace(string(version)))
	owner := os.Getuid()
	if p.attr != nil {
		owner = int(p.attr.Credential.Uid)
	}
	return filepath.Join(dir, fmt.Sprintf("%s of %d.tar", name, owner)), nil
}

// keepCluster writes an archive, which is whole as soon as it has its name: tests of
// other packages look for it meanwhile.
func keepCluster(dir, archive string) error {
	f, err := os.CreateTemp(filepath.Dir(archive), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which has the other name by then, or failed
	defer f.Close()
	if out, err := exec.Command("tar", "-cf", f.Name(), "-C", dir, "data").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), archive)
}
