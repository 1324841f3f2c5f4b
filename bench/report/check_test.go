package report_test

import (
	"bytes"
	"strings"
	"testing"

	"syncline/bench/report"
)

// run is a report of one row, with its processor time as a multiple of the yardstick's.
func run(ofPlain, costs []float64) *report.Report {
	r := &report.Report{}
	for i := range ofPlain {
		plain, row := r.Row("writes", "64 connections", report.Plain), r.Row("writes", "64 connections", "Syncline")
		machine := float64(20 + i) // no two rounds are on an equally fast one
		plain.Add("server µs each", machine)
		row.Add("server µs each", machine*costs[i])
		row.Add("of plain", ofPlain[i])
	}
	return r
}

func TestCompare(t *testing.T) {
	t.Parallel()
	rates, costs := []float64{.20, .22, .21}, []float64{9, 9.2, 9.4}
	recorded := run(rates, costs)
	for name, test := range map[string]struct {
		rates, costs []float64
		want         []string // figures that are worse
	}{
		"the same":              {rates, costs, nil},
		"better":                {[]float64{.4, .4, .4}, []float64{5, 5, 5}, nil},
		"within the noise":      {[]float64{.18, .195, .19}, []float64{9.5, 9.6, 9.7}, nil},
		"noisy":                 {[]float64{.1, .15, .19}, []float64{9.6, 11, 14}, nil},
		"fewer a second":        {[]float64{.15, .16, .16}, costs, []string{"of plain"}},
		"more processor time":   {rates, []float64{11, 11.1, 11.2}, []string{"server time × plain's"}},
		"one round was quick":   {rates, []float64{9, 12, 12}, nil},
		"both":                  {[]float64{.1, .1, .1}, []float64{20, 20, 20}, []string{"of plain", "server time × plain's"}},
		"too few rounds to say": {[]float64{.1, .1}, []float64{20, 20}, nil},
	} {
		changes := run(test.rates, test.costs).Compare(reread(t, recorded))
		var worse []string
		for _, c := range changes {
			if c.Worse {
				worse = append(worse, c.Now.Name)
			}
		}
		if strings.Join(worse, ",") != strings.Join(test.want, ",") {
			t.Errorf("%s: worse are %q, want %q", name, worse, test.want)
		}
		if len(test.rates) == 3 && len(changes) != 2 {
			t.Errorf("%s: %d figures were compared, want 2", name, len(changes))
		}
	}
}

// A change of less than 5 per cent does not count, however alike the rounds are.
func TestCompareSmallChange(t *testing.T) {
	t.Parallel()
	exact := []float64{10, 10, 10}
	for cost, want := range map[float64]bool{10.4: false, 10.6: true} {
		changes := run(exact, []float64{cost, cost, cost}).Compare(run(exact, exact))
		if len(changes) != 2 || changes[1].Worse != want {
			t.Errorf("a cost of %g after 10: %+v, want worse: %v", cost, changes, want)
		}
	}
}

// Rows that are on one side only say nothing.
func TestCompareOtherRows(t *testing.T) {
	t.Parallel()
	r := run([]float64{1, 1, 1}, []float64{1, 1, 1})
	if changes := r.Compare(&report.Report{}); len(changes) != 0 {
		t.Error(changes)
	}
}

func TestChangesForTheWorseComeFirst(t *testing.T) {
	t.Parallel()
	costs := []float64{20, 20, 20}
	var b strings.Builder
	if err := report.WriteChanges(&b, run([]float64{.2, .2, .2}, costs).Compare(run([]float64{.2, .2, .2}, []float64{9, 9, 9}))); err != nil {
		t.Fatal(err)
	}
	want := "| worse | writes | 64 connections | Syncline | server time × plain's | 9 | 20 | | | writes |"
	if !strings.Contains(flat(b.String()), want) {
		t.Errorf("the table lacks %q:\n%s", want, b.String())
	}
}

// reread is a report as a file keeps it.
func reread(t *testing.T, r *report.Report) *report.Report {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	read, err := report.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return read
}
