package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"syncline/bench/stats"
)

// Figures by which runs on different days are compared. Both are ratios to the yardstick of
// the same round, so that a faster or busier machine makes little difference.
const (
	ratePerPlain = "of plain"       // higher is better
	costEach     = "server µs each" // lower is better, as a multiple of the yardstick's
	costOfPlain  = "server time × plain's"
)

// leastRounds is how many rounds a comparison needs on each side.
const leastRounds = 3

// least is the part by which a figure has to change to count, however alike the rounds were.
const least = 0.05

// Change is how a figure of a row stands to a recorded run.
type Change struct {
	Workload, Case, Subject string
	Recorded, Now           Figure
	// Worse tells that the figure is worse by more than its noise: the two runs' ranges are
	// further apart than the wider of them is wide, and their medians by 5 per cent or more.
	Worse bool
}

// Compare finds how the rows of this run that recorded has, too, stand to those there. Rows of
// less than three rounds on either side are left out, and so are those without a yardstick.
func (r *Report) Compare(recorded *Report) []Change {
	var changes []Change
	for _, row := range r.Rows {
		old := recorded.find(row.Workload, row.Case, row.Subject)
		if old == nil || row.Subject == Plain {
			continue
		}
		for _, f := range []struct {
			name   string
			higher bool // is better
			runs   func(*Report, *Row) []float64
		}{
			{ratePerPlain, true, func(_ *Report, row *Row) []float64 { return row.runs(ratePerPlain) }},
			{costOfPlain, false, (*Report).costs},
		} {
			before, now := f.runs(recorded, old), f.runs(r, row)
			if min(len(before), len(now)) < leastRounds {
				continue
			}
			c := Change{row.Workload, row.Case, row.Subject, newFigure(f.name, before), newFigure(f.name, now), false}
			c.Worse = c.worse(f.higher)
			changes = append(changes, c)
		}
	}
	return changes
}

func (c Change) worse(higherIsBetter bool) bool {
	gap, shift := c.Now.Min-c.Recorded.Max, c.Now.Median-c.Recorded.Median
	if higherIsBetter {
		gap, shift = c.Recorded.Min-c.Now.Max, -shift
	}
	return gap > max(c.Now.Max-c.Now.Min, c.Recorded.Max-c.Recorded.Min) && shift > least*c.Recorded.Median
}

// costs are a row's processor time as a multiple of the yardstick's, round by round.
func (r *Report) costs(row *Row) []float64 {
	plain := r.find(row.Workload, row.Case, Plain)
	if plain == nil {
		return nil
	}
	own, yardstick := row.runs(costEach), plain.runs(costEach)
	costs := make([]float64, 0, len(own))
	for i := range min(len(own), len(yardstick)) {
		if yardstick[i] > 0 {
			costs = append(costs, own[i]/yardstick[i])
		}
	}
	return costs
}

func newFigure(name string, runs []float64) Figure {
	return Figure{name, runs, stats.Summarize(runs)}
}

func (r *Report) find(workload, name, subject string) *Row {
	i := slices.IndexFunc(r.Rows, func(row *Row) bool {
		return row.Workload == workload && row.Case == name && row.Subject == subject
	})
	if i < 0 {
		return nil
	}
	return r.Rows[i]
}

func (r *Row) runs(figure string) []float64 {
	if f := r.Figure(figure); f != nil {
		return f.Runs
	}
	return nil
}

// Read reads what WriteJSON wrote.
func Read(from io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return nil, fmt.Errorf("not a report: %w", err)
	}
	return &r, nil
}

// WriteChanges writes a table of changes in Markdown, those for the worse first.
func WriteChanges(w io.Writer, changes []Change) error {
	lines := [][]string{{"", "workload", "case", "subject", "figure", "recorded", "now"}}
	for _, worse := range []bool{true, false} {
		for _, c := range changes {
			if c.Worse == worse {
				verdict := map[bool]string{true: "worse"}[worse]
				lines = append(lines, []string{verdict, c.Workload, c.Case, c.Subject, c.Now.Name, c.Recorded.String(), c.Now.String()})
			}
		}
	}
	var b strings.Builder
	b.WriteString("\n### Compared with the recorded run\n\n")
	writeAligned(&b, lines)
	_, err := io.WriteString(w, b.String())
	return err
}
