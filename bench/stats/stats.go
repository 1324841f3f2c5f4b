// Package stats sums up measurements: medians with their spread, percentiles,
// and how a cost grows with a size.
package stats

import (
	"errors"
	"math"
	"slices"
)

// Summary is what several runs of one measurement say.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize gives the median of runs and their spread; zeros if there are none.
func Summarize(runs []float64) Summary {
	if len(runs) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Summary{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// Percentile is the smallest of the sorted values that is not below p percent of
// them; 0 if there are none.
func Percentile[T ~int64 | ~float64](sorted []T, p float64) T {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Fit is a power law: cost = Factor × size^Exponent.
type Fit struct {
	Exponent float64 `json:"exponent"`
	Factor   float64 `json:"factor"`
	// R2 is how much of the variation of the logarithms the law explains, 0 to 1.
	// It says little where the exponent is near 0: there is nothing to explain.
	R2 float64 `json:"r2"`
}

// ErrNoFit says that no power law can be fitted: it takes two different sizes,
// and sizes and costs above zero.
var ErrNoFit = errors.New("a power law needs two different sizes, and values above zero")

// FitPower fits a power law by least squares over the logarithms. An exponent of
// 0 means that the cost does not grow with the size, 1 that it is proportional.
func FitPower(sizes, costs []float64) (Fit, error) {
	if len(sizes) != len(costs) || len(sizes) < 2 {
		return Fit{}, ErrNoFit
	}
	xs, ys := make([]float64, len(sizes)), make([]float64, len(costs))
	for i := range sizes {
		if !(sizes[i] > 0) || !(costs[i] > 0) {
			return Fit{}, ErrNoFit
		}
		xs[i], ys[i] = math.Log(sizes[i]), math.Log(costs[i])
	}
	meanX, meanY := mean(xs), mean(ys)
	var xx, xy, yy float64
	for i := range xs {
		dx, dy := xs[i]-meanX, ys[i]-meanY
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	if xx == 0 {
		return Fit{}, ErrNoFit
	}
	slope := xy / xx
	fit := Fit{Exponent: slope, Factor: math.Exp(meanY - slope*meanX), R2: 1}
	if yy > 0 {
		fit.R2 = xy * xy / (xx * yy)
	}
	return fit, nil
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
