package stats_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"syncline/bench/stats"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		runs []float64
		want stats.Summary
	}{
		"none": {nil, stats.Summary{}},
		"one":  {[]float64{7}, stats.Summary{Median: 7, Min: 7, Max: 7}},
		"odd":  {[]float64{9, 1, 5}, stats.Summary{Median: 5, Min: 1, Max: 9}},
		"even": {[]float64{4, 1, 3, 100}, stats.Summary{Median: 3.5, Min: 1, Max: 100}},
	} {
		if got := stats.Summarize(c.runs); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestSummarizeKeepsTheOrderOfRuns(t *testing.T) {
	t.Parallel()
	runs := []float64{3, 1, 2}
	stats.Summarize(runs)
	if runs[0] != 3 || runs[1] != 1 || runs[2] != 2 {
		t.Errorf("runs were reordered: %v", runs)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{8}, 99, 8},
		{[]time.Duration{1, 2, 3}, 50, 2},
		{[]time.Duration{1, 2, 3, 4}, 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.9, 100},
		{hundred, 100, 100},
		{hundred, 0, 1},
	} {
		if got := stats.Percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d values: got %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestFitPowerFindsTheLaw(t *testing.T) {
	t.Parallel()
	sizes := []float64{1e2, 1e3, 1e4, 1e5, 1e6}
	for _, exponent := range []float64{-0.5, 0, 0.3, 1, 2} {
		var costs []float64
		for _, n := range sizes {
			costs = append(costs, 3*math.Pow(n, exponent))
		}
		fit, err := stats.FitPower(sizes, costs)
		if err != nil {
			t.Fatal(err)
		}
		if !near(fit.Exponent, exponent) || !near(fit.Factor, 3) || !near(fit.R2, 1) {
			t.Errorf("exponent %v: got %+v", exponent, fit)
		}
	}
}

func TestFitPowerWeighsEqualFactorsEqually(t *testing.T) {
	t.Parallel()
	// A cost that is twice the law's here and half of it there, symmetrically.
	fit, err := stats.FitPower([]float64{1, 10, 100, 1000}, []float64{2, 5, 50, 2000})
	if err != nil {
		t.Fatal(err)
	}
	if !near(fit.Exponent, 1) || !near(fit.Factor, 1) {
		t.Errorf("got %+v, want exponent 1, factor 1", fit)
	}
	if fit.R2 <= 0.9 || fit.R2 >= 1 {
		t.Errorf("R2 %v of a noisy law", fit.R2)
	}
}

func TestFitPowerRefusesWhatHasNoLaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2][]float64{
		"nothing":           {nil, nil},
		"one point":         {{1}, {1}},
		"other lengths":     {{1, 2}, {1}},
		"one size":          {{5, 5}, {1, 2}},
		"a size of zero":    {{0, 1}, {1, 2}},
		"a negative cost":   {{1, 2}, {1, -2}},
		"not even a number": {{1, 2}, {1, math.NaN()}},
	} {
		if fit, err := stats.FitPower(c[0], c[1]); !errors.Is(err, stats.ErrNoFit) {
			t.Errorf("%s: got %+v, %v", name, fit, err)
		}
	}
}

// near allows for one part in a million million.
func near(got, want float64) bool { return math.Abs(got-want) < 1e-9 }
