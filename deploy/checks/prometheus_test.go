package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"

	"syncline/internal/testservers"
)

// A Prometheus scrapes two servers, one on SQLite and one on PostgreSQL and Redis, which are used and meet
// faults. What each alert rule and each panel of the dashboard asks for is there, by name and by each label and
// value that it names; each panel shows figures; and each rule is evaluated without an error.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	servers := startObserved(t)
	p := startPrometheus(t, servers.metrics...)
	rules, panels := readAlerts(t), readPanels(t)

	// Of both servers: what appears as 1 has grown by nothing.
	faults := query{where: "before any fault", expr: `count(sum by (instance, what) (syncline_refusals_total{code="INTERNAL",what=~"request|call"})) == 4`}
	p.await(t, servers.use, func(ctx context.Context) []string { return p.missing(ctx, faults) })
	picture := startPicture(t, servers)
	servers.fail(t)

	p.await(t, servers.use, func(ctx context.Context) (missing []string) {
		for _, rule := range rules {
			missing = append(missing, p.missingSeries(ctx, rule)...)
			missing = append(missing, p.missing(ctx, query{rule.where, subject(rule.expr), rule.labels})...)
		}
		for _, panel := range panels {
			missing = append(missing, p.missingSeries(ctx, panel)...)
			missing = append(missing, p.missing(ctx, panel)...)
		}
		return missing
	})
	p.requireHealthyRules(t, len(rules))
	// One fault is enough, also if it is the first, of GraphQL or of Breez data-sync's calls.
	for _, what := range []string{"request", "call"} {
		p.await(t, func(context.Context) {}, func(ctx context.Context) []string {
			return p.missing(ctx, query{where: "SynclineFaults", expr: `ALERTS{alertname="SynclineFaults",alertstate="firing",what="` + what + `"}`})
		})
	}
	picture.draw(t, p)
}

// What an operator does about each alert is told, and each comes when it should and not where all is well.
func TestAlerts(t *testing.T) {
	t.Parallel()
	operations := read(t, "../../docs/operations.md")
	for _, rule := range readAlerts(t) {
		if !strings.Contains(operations, "\n| `"+rule.where+"` | ") {
			t.Errorf("docs/operations.md does not say what to do about %s", rule.where)
		}
	}
	promtool := testservers.Installed(t, "promtool", "prometheus")
	for _, args := range [][]string{{"check", "rules", "../prometheus/alerts.yml"}, {"test", "rules", "../prometheus/alerts_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// query is an expression of an alert or a panel, and the labels that its text shows.
type query struct {
	where, expr string
	labels      []string
}

var (
	labelInText   = regexp.MustCompile(`\$labels\.(\w+)`)
	labelInLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

func readAlerts(t *testing.T) (alerts []query) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../prometheus/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, query{rule.Alert, rule.Expr, namesIn(labelInText, rule.Annotations["summary"])})
		}
	}
	if len(alerts) < 15 {
		t.Fatalf("only %d alerts were found", len(alerts))
	}
	return alerts
}

// readPanels reads the dashboard, with its variables as Grafana replaces them.
func readPanels(t *testing.T) (panels []query) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../grafana/syncline.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
			panels = append(panels, query{panel.Title, expr, namesIn(labelInLegend, target.LegendFormat)})
		}
	}
	if len(panels) < 20 {
		t.Fatalf("only %d expressions were found", len(panels))
	}
	return panels
}

func namesIn(form *regexp.Regexp, text string) (names []string) {
	for _, match := range form.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// subject is what an alert compares: its expression without the bounds, which has a value where all is well, too.
func subject(expr string) string {
	parsed, err := parser.ParseExpr(expr)
	if err != nil {
		return expr // which Prometheus refuses, too
	}
	for {
		binary, ok := parsed.(*parser.BinaryExpr)
		if !ok || !binary.Op.IsComparisonOperator() && binary.Op != parser.LAND {
			return parsed.String()
		}
		parsed = binary.LHS
	}
}

// selectors are all selections that must find something, for each selection in an expression to mean what it says: the
// selection, the same for each of the values that one of its labels may have, and of the metric what each of the values
// has that a label may not have.
func selectors(expr string) (all []string, err error) {
	parsed, err := parser.ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		all = append(all, written(selector.LabelMatchers))
		for i, matcher := range selector.LabelMatchers {
			if matcher.Type == labels.MatchEqual {
				continue
			}
			for value := range strings.SplitSeq(matcher.Value, "|") {
				named := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, selector.Name), nil}
				at := 1
				if matcher.Type == labels.MatchRegexp {
					named, at = slices.Clone(selector.LabelMatchers), i
				}
				named[at] = labels.MustNewMatcher(labels.MatchRegexp, matcher.Name, value)
				all = append(all, written(named))
			}
		}
		return nil
	})
	return all, nil
}

func written(matchers []*labels.Matcher) string {
	parts := make([]string, len(matchers))
	for i, matcher := range matchers {
		parts[i] = matcher.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// prometheus is a server of its makers.
type prometheus struct{ address string }

func startPrometheus(t *testing.T, targets ...string) prometheus {
	t.Helper()
	rules, err := filepath.Abs("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), testservers.FreeAddress(t)
	settings, err := yaml.Marshal(map[string]any{
		"global":         map[string]string{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{rules},
		"scrape_configs": []any{map[string]any{"job_name": "syncline", "static_configs": []any{map[string]any{"targets": targets}}}},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "prometheus.yml"), settings, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	testservers.StartServer(t, address, exec.Command(testservers.Installed(t, "prometheus", "prometheus"),
		"--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn"))
	return prometheus{address}
}

// await uses the servers until nothing is missing, for three minutes at most.
func (p prometheus) await(t *testing.T, use func(context.Context), missing func(context.Context) []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for last := []string(nil); ; {
		use(ctx)
		now := missing(ctx)
		if len(now) == 0 {
			return
		}
		if ctx.Err() == nil {
			last = now
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after three minutes:\n%s", strings.Join(last, "\n"))
		case <-tick.C:
		}
	}
}

// missingSeries tells which selections of a query find nothing.
func (p prometheus) missingSeries(ctx context.Context, q query) (missing []string) {
	all, err := selectors(q.expr)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", q.where, err)}
	}
	for _, selector := range all {
		if found, err := p.ask(ctx, selector); err != nil || len(found) == 0 {
			missing = append(missing, fmt.Sprintf("%s asks for %s, which no server shows (%v)", q.where, selector, err))
		}
	}
	return missing
}

// missing tells what keeps a query from showing anything: no series, one without a label that the text
// shows, or no figure at all.
func (p prometheus) missing(ctx context.Context, q query) (missing []string) {
	found, err := p.ask(ctx, q.expr)
	if err != nil {
		return []string{fmt.Sprintf("%s: %s: %v", q.where, q.expr, err)}
	}
	figures := 0
	for _, series := range found {
		for _, label := range q.labels {
			if series.Metric[label] == "" {
				missing = append(missing, fmt.Sprintf("%s shows the label %s, which %s does not have: %v", q.where, label, q.expr, series.Metric))
			}
		}
		if !math.IsNaN(series.figure()) {
			figures++
		}
	}
	if figures == 0 {
		missing = append(missing, fmt.Sprintf("%s shows nothing: %s is %v", q.where, q.expr, found))
	}
	return missing
}

type series struct {
	Metric map[string]string
	Value  []any // the time, and the figure as text
}

func (s series) figure() float64 {
	if len(s.Value) == 2 {
		if text, ok := s.Value[1].(string); ok {
			if figure, err := strconv.ParseFloat(text, 64); err == nil {
				return figure
			}
		}
	}
	return math.NaN()
}

// ask evaluates an expression now.
func (p prometheus) ask(ctx context.Context, expr string) (found []series, err error) {
	var data struct {
		ResultType string
		Result     []series
	}
	err = p.get(ctx, "query?query="+url.QueryEscape(expr), &data)
	return data.Result, err
}

func (p prometheus) get(ctx context.Context, path string, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/api/v1/"+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s: %s", response.Status, answer.Error)
	}
	return nil
}

// requireHealthyRules makes sure that Prometheus has all rules and evaluates each.
func (p prometheus) requireHealthyRules(t *testing.T, want int) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := p.get(t.Context(), "rules", &data); err != nil {
		t.Fatal(err)
	}
	healthy := 0
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Health == "ok" {
				healthy++
			} else {
				t.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	}
	if healthy != want {
		t.Errorf("Prometheus evaluates %d rules, want %d", healthy, want)
	}
}
