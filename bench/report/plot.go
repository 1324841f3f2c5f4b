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
	plotWidth  = 24 * vg.Centimeter
	curveHigh  = 14 * vg.Centimeter
	barHigh    = 0.8 * vg.Centimeter // of one bar
	barMargins = 3 * vg.Centimeter   // above and below all
)

// PlotBars draws a figure of a workload's rows as an SVG image: medians as bars.
// It tells whether there was anything to draw.
func (r *Report) PlotBars(w io.Writer, workload, figure string) (bool, error) {
	var values plotter.Values
	var names []string
	for i := len(r.Rows) - 1; i >= 0; i-- { // the first on top
		row := r.Rows[i]
		if f := row.Figure(figure); row.Workload == workload && f != nil {
			values = append(values, f.Median)
			names = append(names, fmt.Sprintf("%s: %s  %s", row.Case, row.Subject, number(f.Median)))
		}
	}
	if len(values) == 0 {
		return false, nil
	}
	p := plot.New()
	p.Title.Text = workload + ": " + figure
	bars, err := plotter.NewBarChart(values, barHigh*6/10)
	if err != nil {
		return false, err
	}
	bars.Horizontal = true
	bars.Color = plotutil.Color(2)
	p.Add(bars)
	p.NominalY(names...)
	p.X.Min = 0
	return true, writeSVG(p, plotWidth, barHigh*vg.Length(len(values))+barMargins, w)
}

// PlotCurves draws the curves of a workload that have the same cost, over
// logarithmic axes: what does not grow is a level line.
func (r *Report) PlotCurves(w io.Writer, workload, size string) (bool, error) {
	p := plot.New()
	p.Title.Text = "Cost by " + size
	p.X.Label.Text, p.X.Scale, p.X.Tick.Marker = size, plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	p.Y.Min, p.Y.Max = math.Inf(1), math.Inf(-1)
	var drawn []any
	for _, c := range r.Curves {
		if c.Workload != workload || c.Size != size || c.Fit == nil {
			continue
		}
		points := make(plotter.XYs, len(c.Sizes))
		for i := range points {
			points[i] = plotter.XY{X: c.Sizes[i], Y: c.Costs[i]}
		}
		drawn = append(drawn, fmt.Sprintf("%s, %s, exponent %.2f", c.Name, c.Cost, c.Fit.Exponent), points)
	}
	if len(drawn) == 0 {
		return false, nil
	}
	if err := plotutil.AddLinePoints(p, drawn...); err != nil {
		return false, err
	}
	p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*8 // room for the legend
	return true, writeSVG(p, plotWidth, curveHigh, w)
}

func writeSVG(p *plot.Plot, width, height vg.Length, w io.Writer) error {
	image, err := p.WriterTo(width, height, "svg")
	if err != nil {
		return err
	}
	_, err = image.WriteTo(w)
	return err
}
