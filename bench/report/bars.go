package report

import (
	"io"
	"strings"
	"text/template"
)

// Lengths of a bar chart, in pixels.
const (
	barsWidth  = 960
	barsBegin  = 330 // names end a little before
	barsEnd    = 870 // beyond it is room for the value
	barStep    = 24
	barHeight  = 16
	groupSpace = 34 // of a case's name
	titleSpace = 48
	gap        = 8 // between a bar and its name or value
)

// Chart says what the bars of a workload show.
type Chart struct {
	Figure string
	About  string // what was measured, for the title
}

// PlotBars draws a figure of a workload's rows as an SVG image: medians as bars, by case,
// Syncline's in a color of their own. The yardstick is not among them: it would dwarf
// them. It tells whether there was anything to draw.
func (r *Report) PlotBars(w io.Writer, workload string, chart Chart) (bool, error) {
	c := barChart{Width: barsWidth, Title: chart.About + ": " + chart.Figure, Y: titleSpace}
	most := 0.0
	for _, row := range r.Rows {
		f := row.Figure(chart.Figure)
		if row.Workload != workload || row.Subject == Plain || f == nil {
			continue
		}
		c.add(row.Case, bar{Name: row.Subject, Color: color(row.Subject), value: f.Median})
		most = max(most, f.Median)
	}
	if len(c.Groups) == 0 {
		return false, nil
	}
	c.scale(most)
	return true, barsImage.Execute(w, c)
}

type barChart struct {
	Width  int
	Title  string
	Groups []barGroup
	Y      int // where the next line goes; in the end the height
}

type barGroup struct {
	Name string
	Y    int
	Bars []bar
}

type bar struct {
	Name, Value, Color string
	Y, Long            int
	value              float64
}

// color tells Syncline, what it was before, and others apart.
func color(subject string) string {
	switch {
	case strings.HasPrefix(subject, "Syncline before"):
		return "#9cc3ff"
	case strings.HasPrefix(subject, "Syncline"), strings.HasPrefix(subject, "synckit"):
		return "#1f6feb"
	}
	return "#9aa4b2"
}

// add puts a bar below the others of its case, which follow each other.
func (c *barChart) add(group string, b bar) {
	if last := len(c.Groups) - 1; last < 0 || c.Groups[last].Name != group {
		c.Groups = append(c.Groups, barGroup{Name: group, Y: c.Y + groupSpace/2})
		c.Y += groupSpace
	}
	b.Value, b.Y = number(b.value), c.Y
	last := &c.Groups[len(c.Groups)-1]
	last.Bars = append(last.Bars, b)
	c.Y += barStep
}

// scale gives bars their lengths, the longest of them all of the room.
func (c *barChart) scale(most float64) {
	for _, g := range c.Groups {
		for i := range g.Bars {
			if most > 0 {
				g.Bars[i].Long = int(g.Bars[i].value / most * (barsEnd - barsBegin))
			}
		}
	}
	c.Y += groupSpace / 2
}

var barsImage = template.Must(template.New("bars").Funcs(template.FuncMap{
	"sum":       func(a, b int) int { return a + b },
	"nameEnd":   func() int { return barsBegin - gap },
	"barsBegin": func() int { return barsBegin },
	"valueAt":   func(long int) int { return barsBegin + long + gap },
	"barHeight": func() int { return barHeight },
}).Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Y}}" viewBox="0 0 {{.Width}} {{.Y}}" font-family="Helvetica, Arial, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="30" font-size="15" font-weight="bold">{{html .Title}}</text>
{{- range .Groups}}
<text x="16" y="{{sum .Y 6}}" font-weight="bold" fill="#444">{{html .Name}}</text>
{{- range .Bars}}
<text x="{{nameEnd}}" y="{{sum .Y 13}}" text-anchor="end">{{html .Name}}</text>
<rect x="{{barsBegin}}" y="{{.Y}}" width="{{.Long}}" height="{{barHeight}}" fill="{{.Color}}"/>
<text x="{{valueAt .Long}}" y="{{sum .Y 13}}">{{html .Value}}</text>
{{- end}}
{{- end}}
</svg>
`))
