package workload_test

import (
	"os"
	"testing"

	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/bench/workload"
)

// TestEveryWorkloadRuns runs each for a moment: it looks at what works, never at
// how fast it is.
func TestEveryWorkloadRuns(t *testing.T) {
	t.Parallel()
	root, err := servers.SourceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "syncline-bench-test-") // PostgreSQL's user must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	builder := servers.NewBuilder(root, dir, "")
	for _, w := range workload.All() {
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			lab := &workload.Lab{
				Builder: builder, Report: &report.Report{}, Size: workload.Smoke(), Peers: true, Say: t.Logf,
				Deployments: []servers.Deployment{{Instances: 1}, {Postgres: true, Redis: true, Instances: 2}},
			}
			if err := w.Run(t.Context(), lab); err != nil {
				t.Fatal(err)
			}
			check(t, lab.Report)
			if err := lab.Report.Save(t.TempDir(), map[string]report.Chart{w.Name: {Figure: w.Headline}}); err != nil {
				t.Error(err)
			}
		})
	}
}

// check sees that something was measured and nothing failed.
func check(t *testing.T, r *report.Report) {
	t.Helper()
	if len(r.Rows)+len(r.Curves) == 0 {
		t.Error("nothing was measured")
	}
	for _, row := range r.Rows {
		if len(row.Failures) > 0 {
			t.Errorf("%s, %s: %v", row.Case, row.Subject, row.Failures)
		}
		for _, f := range row.Figures {
			if len(f.Runs) == 0 {
				t.Errorf("%s, %s: %s was not measured", row.Case, row.Subject, f.Name)
			}
		}
	}
	for _, c := range r.Curves {
		if c.Fit == nil {
			t.Errorf("%s over %s has no exponent: %v", c.Name, c.Size, c.Costs)
		}
	}
}
