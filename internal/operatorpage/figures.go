package operatorpage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// operations is the figure that has a part of the page to itself.
const operations = "syncline_operation_duration_seconds"

// sample is what the figures were at a moment.
type sample struct {
	at       time.Time
	families []*dto.MetricFamily
}

// figures are a sample's as the page shows them.
type figures struct {
	Operations []operation
	Figures    []figure
}

// operation is what became of a root field.
type operation struct {
	Name, Outcome string
	Total         float64
	Rate          float64 // a second, lately
	Mean          time.Duration
}

// figure is any other figure.
type figure struct {
	Name, Help, Value string
}

// ofProcess are the figures of Go and the system that are worth a line.
var ofProcess = []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"}

// compare shows a sample. Rates are since another one.
func compare(before, now sample) (shown figures) {
	seconds := max(now.at.Sub(before.at).Seconds(), 1)
	old := map[string]*dto.Metric{}
	for _, family := range before.families {
		for _, m := range family.GetMetric() {
			old[family.GetName()+labels(m)] = m
		}
	}
	for _, family := range now.families {
		name := family.GetName()
		if !strings.HasPrefix(name, "syncline_") && !slices.Contains(ofProcess, name) {
			continue
		}
		for _, m := range family.GetMetric() {
			was := old[name+labels(m)]
			if name == operations {
				shown.Operations = append(shown.Operations, operationOf(m, was.GetHistogram(), seconds))
				continue
			}
			f := figure{Name: strings.TrimPrefix(name, "syncline_") + labels(m), Help: family.GetHelp()}
			switch {
			case m.GetCounter() != nil:
				total := m.GetCounter().GetValue()
				f.Value = fmt.Sprintf("%s, %s a second", whole(total), rate((total-was.GetCounter().GetValue())/seconds))
			case m.GetHistogram() != nil:
				f.Value = distribution(name, m.GetHistogram())
			default:
				f.Value = inUnit(name, m.GetGauge().GetValue()+m.GetUntyped().GetValue())
			}
			shown.Figures = append(shown.Figures, f)
		}
	}
	slices.SortFunc(shown.Operations, func(a, b operation) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Outcome, b.Outcome))
	})
	slices.SortStableFunc(shown.Figures, func(a, b figure) int { return cmp.Compare(a.Name, b.Name) })
	return shown
}

func operationOf(m *dto.Metric, was *dto.Histogram, seconds float64) operation {
	h := m.GetHistogram()
	o := operation{Total: float64(h.GetSampleCount())}
	for _, label := range m.GetLabel() {
		switch label.GetName() {
		case "field":
			o.Name = label.GetValue()
		case "outcome":
			o.Outcome = label.GetValue()
		}
	}
	count, sum := o.Total-float64(was.GetSampleCount()), h.GetSampleSum()-was.GetSampleSum()
	o.Rate = count / seconds
	if count == 0 { // none lately: the mean of all
		count, sum = o.Total, h.GetSampleSum()
	}
	if count > 0 {
		o.Mean = time.Duration(sum / count * float64(time.Second))
	}
	return o
}

// distribution says of a histogram how many it has, and below what most of them are.
func distribution(name string, h *dto.Histogram) string {
	count := h.GetSampleCount()
	if count == 0 {
		return "none"
	}
	below := func(part float64) string {
		for _, b := range h.GetBucket() {
			if float64(b.GetCumulativeCount()) >= part*float64(count) && !math.IsInf(b.GetUpperBound(), 1) {
				return "up to " + inUnit(name, b.GetUpperBound())
			}
		}
		return "above all bounds"
	}
	return fmt.Sprintf("%s: half %s, 99 %% %s", whole(float64(count)), below(.5), below(.99))
}

func labels(m *dto.Metric) (text string) {
	for _, label := range m.GetLabel() {
		text += " " + label.GetName() + "=" + label.GetValue()
	}
	return text
}

// inUnit shows a value in the unit that its name ends with.
func inUnit(name string, value float64) string {
	switch {
	case strings.HasSuffix(name, "_bytes"):
		return size(int64(value))
	case strings.HasSuffix(name, "_end_seconds"):
		return time.Unix(int64(value), 0).UTC().Format(time.DateTime)
	case strings.HasSuffix(name, "_seconds"):
		return short(time.Duration(value * float64(time.Second)))
	}
	return whole(value)
}

func whole(value float64) string { return fmt.Sprintf("%.0f", value) }

func rate(value float64) string {
	if value > 0 && value < 10 {
		return fmt.Sprintf("%.2g", value)
	}
	return whole(value)
}

// short shows a duration with three digits.
func short(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

func size(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// ago is how long before now something was.
func ago(now, then time.Time) string {
	d := now.Sub(then)
	switch {
	case then.IsZero():
		return "never"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s ago", max(0, d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%.0f min ago", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h ago", d.Hours())
	}
	return fmt.Sprintf("%.0f days ago", d.Hours()/24)
}
