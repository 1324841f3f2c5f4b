package report

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Save writes the report below a directory: results.json, results.md and the
// plots. charts says of workloads what their bars show.
func (r *Report) Save(dir string, charts map[string]Chart) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results are for everyone
		return err
	}
	save := func(name string, write func(io.Writer) (bool, error)) error {
		return writeFile(filepath.Join(dir, name), write)
	}
	errs := []error{
		save("results.json", func(w io.Writer) (bool, error) { return true, r.WriteJSON(w) }),
		save("results.md", func(w io.Writer) (bool, error) { return true, r.WriteTable(w) }),
	}
	for _, workload := range r.workloads() {
		errs = append(errs, save(workload+".svg", func(w io.Writer) (bool, error) {
			return r.PlotBars(w, workload, charts[workload])
		}))
	}
	for workload, sizes := range r.sizes() {
		for _, size := range sizes {
			name := workload + "-" + strings.ReplaceAll(size, " ", "-") + ".svg"
			errs = append(errs, save(name, func(w io.Writer) (bool, error) {
				return r.PlotCurves(w, workload, size)
			}))
		}
	}
	return errors.Join(errs...)
}

// sizes are what grows in the curves of each workload.
func (r *Report) sizes() map[string][]string {
	found := map[string][]string{}
	seen := map[[2]string]bool{}
	for _, c := range r.Curves {
		if key := [2]string{c.Workload, c.Size}; !seen[key] {
			seen[key] = true
			found[c.Workload] = append(found[c.Workload], c.Size)
		}
	}
	return found
}

// writeFile writes a file, unless there is nothing to be written.
func writeFile(path string, write func(io.Writer) (bool, error)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	some, err := write(f)
	err = errors.Join(err, f.Close())
	if !some {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
