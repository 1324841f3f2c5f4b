package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// picture is that of the dashboard in docs/images, which is drawn by
//
//	SYNCLINE_DASHBOARD=$PWD/docs/images/dashboard.svg go test -C deploy/checks -count=1 -run '^TestPrometheus$' .
//
// and not at all where the variable is not set. It has the panels at their places with what Prometheus answers, and is no
// more than that: Grafana draws them in its own way.
type picture struct {
	path    string // empty: there is none
	servers observed
	began   time.Time
}

// startPicture uses the servers for a while before they meet a fault.
func startPicture(t *testing.T, servers observed) *picture {
	t.Helper()
	p := &picture{os.Getenv("SYNCLINE_DASHBOARD"), servers, time.Now()}
	p.use(t.Context(), time.Minute)
	return p
}

func (p *picture) use(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); p.path != "" && time.Now().Before(end); {
		p.servers.use(ctx)
	}
}

// draw uses the servers for a while longer, and draws what they did.
func (p *picture) draw(t *testing.T, from prometheus) {
	t.Helper()
	if p.path == "" {
		return
	}
	p.use(t.Context(), 30*time.Second)
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "../grafana/syncline.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var svg strings.Builder
	bottom := 0
	for _, each := range dashboard.Panels {
		bottom = max(bottom, (each.GridPos.Y+each.GridPos.H)*unitHeight)
	}
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="#222">`+
		"\n<rect width=\"100%%\" height=\"100%%\" fill=\"#f4f5f5\"/>\n", columns*unitWidth, bottom)
	for _, each := range dashboard.Panels {
		if err := each.draw(t.Context(), &svg, from, p.began); err != nil {
			t.Fatalf("draw %s: %v", each.Title, err)
		}
	}
	svg.WriteString("</svg>\n")
	if err := os.WriteFile(p.path, []byte(svg.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Units of Grafana's grid, in pixels.
const columns, unitWidth, unitHeight = 24, 60, 30

// Of a panel, in pixels: where its curves are.
const left, top, right, below, legendLine = 62, 34, 14, 24, 16

var colours = []string{"#1f77b4", "#d9541e", "#2a9d4a", "#8a5bbf", "#b8860b", "#c2356f"}

type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// curve is a series over time; points are seconds since the beginning, and figures.
type curve struct {
	name   string
	points [][2]float64
}

func (p panel) draw(ctx context.Context, svg *strings.Builder, from prometheus, began time.Time) error {
	x, y, w, h := p.GridPos.X*unitWidth, p.GridPos.Y*unitHeight, p.GridPos.W*unitWidth, p.GridPos.H*unitHeight
	if p.Type == "row" {
		fmt.Fprintf(svg, "<text x=\"%d\" y=\"%d\" font-size=\"15\" font-weight=\"600\">%s</text>\n", x+8, y+21, html.EscapeString(p.Title))
		return nil
	}
	curves, err := p.curves(ctx, from, began)
	if err != nil {
		return err
	}
	fmt.Fprintf(svg, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"#fff\" stroke=\"#dcdee0\"/>\n", x+4, y+4, w-8, h-8)
	fmt.Fprintf(svg, "<text x=\"%d\" y=\"%d\" font-weight=\"600\">%s</text>\n", x+14, y+23, html.EscapeString(p.Title))
	shown := min(len(curves), 4)
	height := h - top - below - legendLine*shown
	most, seconds := 0.0, 1.0
	for _, c := range curves {
		for _, point := range c.points {
			seconds, most = max(seconds, point[0]), max(most, point[1])
		}
	}
	if most == 0 {
		most = 1
	}
	for _, part := range []float64{0, 0.5, 1} {
		at := float64(y+top+height) - part*float64(height)
		fmt.Fprintf(svg, "<path d=\"M%d %.1fH%d\" stroke=\"#eceef0\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#666\">%s</text>\n",
			x+left, at, x+w-right, x+left-6, at+4, figure(part*most, p.FieldConfig.Defaults.Unit))
	}
	for i, c := range curves {
		var line strings.Builder
		for j, point := range c.points {
			command := "L"
			if j == 0 {
				command = "M"
			}
			fmt.Fprintf(&line, "%s%.1f %.1f", command, float64(x+left)+point[0]/seconds*float64(w-left-right), float64(y+top+height)-point[1]/most*float64(height))
		}
		fmt.Fprintf(svg, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", &line, colours[i%len(colours)])
		if i < shown {
			name, at := html.EscapeString(c.name), y+h-below+legendLine*(i-shown+1)+8
			if i == shown-1 && len(curves) > shown {
				name += fmt.Sprintf(", and %d more", len(curves)-shown)
			}
			fmt.Fprintf(svg, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"3\" fill=\"%s\"/><text x=\"%d\" y=\"%d\" fill=\"#444\">%s</text>\n",
				x+left, at-5, colours[i%len(colours)], x+left+16, at, name)
		}
	}
	return nil
}

// curves are what the panel's queries answer for the time since the beginning.
func (p panel) curves(ctx context.Context, from prometheus, began time.Time) (curves []curve, err error) {
	for _, target := range p.Targets {
		var data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any // time, and the figure as text
			}
		}
		expr := strings.NewReplacer("$__rate_interval", "10s", "$instance", ".*").Replace(target.Expr)
		query := url.Values{"query": {expr}, "start": {fmt.Sprint(began.Unix())}, "end": {fmt.Sprint(time.Now().Unix())}, "step": {"1"}}
		if err := from.get(ctx, "query_range?"+query.Encode(), &data); err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		for _, series := range data.Result {
			c := curve{name: labelInLegend.ReplaceAllStringFunc(target.LegendFormat, func(label string) string { return series.Metric[strings.Trim(label, "{}")] })}
			for _, value := range series.Values {
				at, _ := value[0].(float64)
				text, _ := value[1].(string)
				if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(number) && !math.IsInf(number, 0) {
					c.points = append(c.points, [2]float64{at - float64(began.Unix()), number})
				}
			}
			if len(c.points) > 0 {
				curves = append(curves, c)
			}
		}
	}
	slices.SortStableFunc(curves, func(a, b curve) int { return strings.Compare(a.name, b.name) })
	return curves, nil
}

// figure is a number in a unit of Grafana's.
func figure(number float64, unit string) string {
	switch {
	case unit == "bytes" && number >= 1<<30:
		return fmt.Sprintf("%.3g GiB", number/(1<<30))
	case unit == "bytes" && number >= 1<<20:
		return fmt.Sprintf("%.3g MiB", number/(1<<20))
	case unit == "bytes":
		return fmt.Sprintf("%.3g KiB", number/(1<<10))
	case unit == "s" && number < 1:
		return fmt.Sprintf("%.3g ms", number*1000)
	case unit == "s":
		return fmt.Sprintf("%.3g s", number)
	case unit == "ops":
		return fmt.Sprintf("%.3g/s", number)
	case number >= 100:
		return fmt.Sprintf("%.0f", number)
	default:
		return fmt.Sprintf("%.3g", number)
	}
}
