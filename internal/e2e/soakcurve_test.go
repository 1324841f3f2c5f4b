package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// curve is a figure that is read again and again while a soak runs.
type curve struct {
	name, unit string
	slack      float64 // what it may vary by without having grown
	read       func() float64
	at         []time.Duration
	values     []float64
}

// fewestReadings is how many tell something of growth.
const fewestReadings = 12

// growth says by how much it grew from the second quarter of the run to the last, or
// nothing if that is what a level figure may vary by.
func (c *curve) growth() string {
	median := func(part []float64) float64 {
		part = slices.Sorted(slices.Values(part))
		return part[len(part)/2]
	}
	n := len(c.values)
	early, late := median(c.values[n/4:n/2]), median(c.values[n*3/4:])
	if late <= early*1.25+c.slack {
		return ""
	}
	return fmt.Sprintf("%s grew from %.0f to %.0f %s", c.name, early, late, c.unit)
}

// A figure that grows is told from one that varies.
func TestGrowth(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value func(i int) float64
		grows bool
	}{
		"level":       {func(int) float64 { return 100 }, false},
		"warming up":  {func(i int) float64 { return float64(min(i, 20)) * 50 }, false},
		"with spikes": {func(i int) float64 { return 100 + float64(i%10/9)*5000 }, false},
		"leaking":     {func(i int) float64 { return 100 + float64(i) }, true},
	} {
		c := curve{name: name, slack: 10}
		for i := range 100 {
			c.at, c.values = append(c.at, time.Duration(i)*time.Second), append(c.values, test.value(i))
		}
		if got := c.growth(); (got != "") != test.grows {
			t.Errorf("%s: %q", name, got)
		}
	}
}

const (
	panelWide, panelHigh = 360, 150
	panelLeft, panelTop  = 50, 26
)

// draw writes the curves as an SVG image, a panel each.
func (s *soak) draw(path, title string) {
	s.t.Helper()
	var svg strings.Builder
	rows := (len(s.curves) + 1) / 2
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<style>text{fill:#333}.axis{stroke:#999}.curve{stroke:#0969da;fill:none;stroke-width:1.3}
@media (prefers-color-scheme:dark){text{fill:#ccc}.axis{stroke:#777}.curve{stroke:#58a6ff}}</style>
<text x="%d" y="18" font-size="14">%s</text>
`, 2*(panelWide+panelLeft)+20, rows*(panelHigh+2*panelTop)+30, panelLeft, title)
	for i, c := range s.curves {
		x, y := i%2*(panelWide+panelLeft)+panelLeft, i/2*(panelHigh+2*panelTop)+30+panelTop
		highest, end := max(1, slices.Max(c.values)), c.at[len(c.at)-1]
		fmt.Fprintf(&svg, `<text x="%d" y="%d">%s</text><text x="%d" y="%d" text-anchor="end">%.0f</text><text x="%d" y="%d" text-anchor="end">0</text>
<text x="%d" y="%d" text-anchor="end">%v</text><path class="axis" fill="none" d="M%d %dv%dh%d"/><polyline class="curve" points="`,
			x, y-8, strings.TrimSpace(c.name+" "+c.unit), x-4, y+9, highest, x-4, y+panelHigh,
			x+panelWide, y+panelHigh+15, end.Round(time.Second), x, y, panelHigh, panelWide)
		for i, v := range c.values {
			fmt.Fprintf(&svg, "%.1f,%.1f ", float64(x)+float64(c.at[i])/float64(end)*panelWide, float64(y)+panelHigh*(1-v/highest))
		}
		svg.WriteString("\"/>\n")
	}
	svg.WriteString("</svg>\n")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(svg.String()), 0o644); err != nil {
		s.t.Fatal(err)
	}
}
