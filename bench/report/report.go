// Package report keeps what was measured, and writes it as a table, as JSON and
// as SVG plots.
package report

import (
	"encoding/json"
	"io"
	"time"

	"syncline/bench/stats"
)

// Report is what one run of the benchmark measured.
type Report struct {
	Began    time.Time         `json:"began"`
	Machine  map[string]string `json:"machine"`
	Settings map[string]string `json:"settings"`
	Rows     []*Row            `json:"rows"`
	Curves   []Curve           `json:"curves,omitempty"`
}

// Plain is the subject that is the yardstick: a net/http server that does nothing.
const Plain = "plain net/http"

// Row is one measurement of one contender.
type Row struct {
	Workload string `json:"workload"`
	Case     string `json:"case"`    // what was asked of it
	Subject  string `json:"subject"` // who was measured
	// Figures stand in the order in which they came.
	Figures []*Figure `json:"figures"`
	// Failures count operations that failed, by reason, over all runs.
	Failures map[string]int `json:"failures,omitempty"`
}

// Figure is one quantity, measured in several runs.
type Figure struct {
	Name string    `json:"name"` // with its unit
	Runs []float64 `json:"runs"`
	stats.Summary
}

// Curve is a cost over a size.
type Curve struct {
	Workload string    `json:"workload"`
	Name     string    `json:"name"`
	Size     string    `json:"size"` // what grows
	Cost     string    `json:"cost"` // with its unit
	Sizes    []float64 `json:"sizes"`
	Costs    []float64 `json:"costs"`
	// Fit is absent where no power law can be fitted.
	Fit *stats.Fit `json:"fit,omitempty"`
}

// Row finds a measurement, or adds it.
func (r *Report) Row(workload, name, subject string) *Row {
	if row := r.find(workload, name, subject); row != nil {
		return row
	}
	row := &Row{Workload: workload, Case: name, Subject: subject, Failures: map[string]int{}}
	r.Rows = append(r.Rows, row)
	return row
}

// Add adds a run's value of a figure.
func (r *Row) Add(figure string, value float64) {
	f := r.Figure(figure)
	if f == nil {
		f = &Figure{Name: figure}
		r.Figures = append(r.Figures, f)
	}
	f.Runs = append(f.Runs, value)
	f.Summary = stats.Summarize(f.Runs)
}

// Fail adds failures of a run.
func (r *Row) Fail(failures map[string]int) {
	for text, n := range failures {
		r.Failures[text] += n
	}
}

// Figure is one by its name, nil if there is none.
func (r *Row) Figure(name string) *Figure {
	for _, f := range r.Figures {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// AddCurve adds a curve, and fits it where it can be.
func (r *Report) AddCurve(c Curve) {
	if fit, err := stats.FitPower(c.Sizes, c.Costs); err == nil {
		c.Fit = &fit
	}
	r.Curves = append(r.Curves, c)
}

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
