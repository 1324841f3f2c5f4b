package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/bench/report"
	"syncline/bench/stats"
)

func example() *report.Report {
	r := &report.Report{Machine: map[string]string{"processors": "2"}}
	for round, rate := range []float64{1000, 1400, 1200} {
		r.Row("writes", "64 connections", report.Plain).Add("per second", 10*rate)
		row := r.Row("writes", "64 connections", "Syncline")
		row.Add("per second", rate)
		row.Add("p99 ms", float64(round))
		row.Fail(map[string]int{"HTTP status 503: UNAVAILABLE": 1, "rare|odd": round})
	}
	r.AddCurve(report.Curve{
		Workload: "growth", Name: "write", Size: "records", Cost: "p50 ms",
		Sizes: []float64{100, 1000}, Costs: []float64{0.5, 0.5},
	})
	return r
}

func TestTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := example().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"### writes",
		"| case           | subject        | per second          | p99 ms   | failed                          |",
		"| 64 connections | plain net/http | 12000 (10000–14000) |          | 0                               |",
		"| 64 connections | Syncline       | 1200 (1000–1400)    | 1 (0–2)  | 6: HTTP status 503: UNAVAILABLE |",
		"| write, p50 ms | records | 0.500 at 100 | 0.500 at 1000 | 0.000    | 1.00 |",
	} {
		if !strings.Contains(flat(b.String()), flat(line)) {
			t.Errorf("the table lacks %q:\n%s", line, b.String())
		}
	}
}

// flat is a text without the spaces that align it.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestJSONHasEachRun(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := example().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back report.Report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	f := back.Row("writes", "64 connections", "Syncline").Figure("per second")
	if f == nil || len(f.Runs) != 3 || f.Summary != (stats.Summary{Median: 1200, Min: 1000, Max: 1400}) {
		t.Errorf("got %+v", f)
	}
}

func TestSaveWritesPlotsOfWhatThereIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := example().Save(dir, map[string]report.Chart{"writes": {Figure: "per second", About: "new records"}}); err != nil {
		t.Fatal(err)
	}
	bars := read(t, dir, "writes.svg")
	for _, text := range []string{">new records: per second<", ">64 connections<", ">Syncline<", ">1200<"} {
		if !strings.Contains(bars, text) {
			t.Errorf("the bars do not say %q", text)
		}
	}
	if strings.Contains(bars, report.Plain) {
		t.Errorf("the yardstick is among the bars")
	}
	if curves := read(t, dir, "growth-records.svg"); !strings.Contains(curves, "exponent 0.00") {
		t.Errorf("the curves do not tell the exponent")
	}
	for _, name := range []string{"writes.svg", "growth-records.svg"} {
		if err := wellFormed(read(t, dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSaveLeavesNoEmptyPlot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := example().Save(dir, map[string]report.Chart{"writes": {Figure: "a figure that nobody has"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "writes.svg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty plot: %v", err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wellFormed(text string) error {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
