package report

import (
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth = 26 * vg.Centimeter
	curveHigh = 16 * vg.Centimeter
)

// PlotCurves draws the curves of a workload over one size, on logarithmic axes:
// what does not grow is a level line.
func (r *Report) PlotCurves(w io.Writer, workload, size string) (bool, error) {
	low, high := math.Inf(1), math.Inf(-1)
	var drawn []any
	for _, c := range r.Curves {
		if c.Workload != workload || c.Size != size || c.Fit == nil {
			continue
		}
		points := make(plotter.XYs, len(c.Sizes))
		for i := range points {
			points[i] = plotter.XY{X: c.Sizes[i], Y: c.Costs[i]}
			low, high = min(low, c.Costs[i]), max(high, c.Costs[i])
		}
		drawn = append(drawn, fmt.Sprintf("%s, %s: exponent %.2f", c.Name, c.Cost, c.Fit.Exponent), points)
	}
	if len(drawn) == 0 {
		return false, nil
	}
	p := newPlot("cost by " + size)
	p.X.Label.Text = size
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Scale, axis.Tick.Marker = plot.LogScale{}, numbered(plot.LogTicks{})
	}
	if err := plotutil.AddLinePoints(p, drawn...); err != nil {
		return false, err
	}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(3)
	p.Y.Min, p.Y.Max = decade(math.Floor, low), 10*decade(math.Ceil, high) // room for the legend
	return true, writeSVG(p, curveHigh, w)
}

// decade is the power of ten beside a value.
func decade(round func(float64) float64, value float64) float64 {
	return math.Pow(10, round(math.Log10(value)))
}

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(8)
	return p
}

// numbered writes the labels of ticks as tables write numbers.
func numbered(ticks plot.Ticker) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		all := ticks.Ticks(low, high)
		for i := range all {
			if all[i].Label != "" {
				all[i].Label = number(all[i].Value)
			}
		}
		return all
	})
}

func writeSVG(p *plot.Plot, height vg.Length, w io.Writer) error {
	image, err := p.WriterTo(plotWidth, height, "svg")
	if err != nil {
		return err
	}
	_, err = image.WriteTo(w)
	return err
}
