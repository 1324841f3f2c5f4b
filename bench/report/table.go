package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteTable writes the report for people: for each workload a table in
// Markdown, each figure as the median of the runs and, in brackets, the lowest
// and the highest.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	listed(&b, r.Machine)
	listed(&b, r.Settings)
	for _, name := range r.workloads() {
		b.WriteString("\n### " + name + "\n\n")
		r.tabulate(&b, name)
	}
	r.tabulateCurves(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// listed writes what a map says, in the order of its keys.
func listed(b *strings.Builder, m map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString("- " + name + ": " + m[name] + "\n")
	}
}

func (r *Report) workloads() []string {
	var names []string
	for _, row := range r.Rows {
		if !slices.Contains(names, row.Workload) {
			names = append(names, row.Workload)
		}
	}
	return names
}

func (r *Report) tabulate(b *strings.Builder, workload string) {
	var rows []*Row
	var figures []string
	for _, row := range r.Rows {
		if row.Workload != workload {
			continue
		}
		rows = append(rows, row)
		for _, f := range row.Figures {
			if !slices.Contains(figures, f.Name) {
				figures = append(figures, f.Name)
			}
		}
	}
	lines := [][]string{append([]string{"case", "subject"}, append(figures, "failed")...)}
	for _, row := range rows {
		line := []string{row.Case, row.Subject}
		for _, name := range figures {
			line = append(line, row.Figure(name).String())
		}
		lines = append(lines, append(line, row.failed()))
	}
	writeAligned(b, lines)
}

func (r *Report) tabulateCurves(b *strings.Builder) {
	if len(r.Curves) == 0 {
		return
	}
	b.WriteString("\n### Growth\n\n")
	lines := [][]string{{"what", "over", "from", "to", "exponent", "R²"}}
	for _, c := range r.Curves {
		line := []string{c.Name + ", " + c.Cost, c.Size, c.point(0), c.point(len(c.Sizes) - 1), "", ""}
		if c.Fit != nil {
			line[4], line[5] = fmt.Sprintf("%.3f", c.Fit.Exponent), fmt.Sprintf("%.2f", c.Fit.R2)
		}
		lines = append(lines, line)
	}
	writeAligned(b, lines)
}

func (c Curve) point(i int) string {
	return number(c.Costs[i]) + " at " + number(c.Sizes[i])
}

// String is the median with the spread; empty for nil.
func (f *Figure) String() string {
	switch {
	case f == nil:
		return ""
	case len(f.Runs) == 1 || number(f.Min) == number(f.Max):
		return number(f.Median)
	}
	return number(f.Median) + " (" + number(f.Min) + "–" + number(f.Max) + ")"
}

// failed counts failures and quotes the most frequent; of several, the first by the alphabet.
func (r *Row) failed() string {
	total := 0
	for n := range maps.Values(r.Failures) {
		total += n
	}
	if total == 0 {
		return "0"
	}
	texts := slices.SortedFunc(maps.Keys(r.Failures), func(a, b string) int {
		return cmp.Or(r.Failures[b]-r.Failures[a], strings.Compare(a, b))
	})
	return strconv.Itoa(total) + ": " + strings.ReplaceAll(texts[0], "|", "/")
}

// number shows three digits, or all of an integer's.
func number(v float64) string {
	size := math.Abs(v)
	switch {
	case size >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// writeAligned writes a Markdown table whose first line is the head.
func writeAligned(b *strings.Builder, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for n, line := range lines {
		for i, cell := range line {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for _, width := range widths {
			b.WriteString("|" + strings.Repeat("-", width+2))
		}
		b.WriteString("|\n")
	}
}
