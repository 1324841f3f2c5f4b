// Package operatorpage shows operators how a server is, on one page that needs no
// other tool: its health, what clients ask, what is open and how late events are, and
// which owners keep most. It changes nothing, runs no script, and shows of an owner
// the beginning of its key only.
package operatorpage

import (
	"bytes"
	"context"
	_ "embed" // the page's template
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Source is where the page has things from. All of it is needed.
type Source struct {
	Version  string
	Database string // kind of it
	Started  time.Time
	// Health is what /readyz says: ready, degraded, not ready or draining, and the
	// state of each part.
	Health func(context.Context) (status string, checks map[string]string)
	// Figures are all that the server counts.
	Figures func() ([]*dto.MetricFamily, error)
	// Owners are those who keep most, so many of them. It is asked once a minute
	// at most.
	Owners func(ctx context.Context, most int) ([]Owner, error)
	Log    *slog.Logger
}

// Owner is what an owner keeps.
type Owner struct {
	Prefix  string // of its key
	Records int64
	Bytes   int64
	Written time.Time // zero: never
}

const (
	refresh    = 10 * time.Second // of an open page
	ratesOver  = 5 * time.Second  // at least, so that two who look see the same
	ownersAge  = time.Minute
	ownersTime = 5 * time.Second
	ownersMost = 20
)

// Page is the page. It is safe for concurrent use.
type Page struct {
	source Source
	now    func() time.Time

	mu           sync.Mutex
	before, last sample
	owners       ownerList
}

type ownerList struct {
	at   time.Time
	list []Owner
	err  error
}

// New makes the page.
func New(source Source) *Page {
	p := &Page{source: source, now: time.Now}
	p.before = sample{at: source.Started}
	p.last = p.before
	return p
}

//go:embed page.html
var text string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"size": size, "ago": ago, "whole": whole, "rate": rate, "short": short,
}).Parse(text))

type view struct {
	Version  string
	Database string
	Started  time.Time

	Now     time.Time
	Refresh int // seconds
	Status  string
	Checks  map[string]string
	Since   time.Duration // that rates are of
	figures
	Owners    []Owner
	OwnersErr error
}

// ServeHTTP answers a GET with the page as it is now.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	families, err := p.source.Figures()
	if err != nil {
		p.source.Log.Warn("the operator's page lacks figures", "error", err)
	}
	v := view{Version: p.source.Version, Database: p.source.Database, Started: p.source.Started, Now: p.now().UTC(), Refresh: int(refresh.Seconds())}
	v.Status, v.Checks = p.source.Health(r.Context())
	before := p.take(sample{at: v.Now, families: families})
	v.Since = v.Now.Sub(before.at)
	v.figures = compare(before, sample{at: v.Now, families: families})
	v.Owners, v.OwnersErr = p.largest(r.Context())

	var body bytes.Buffer
	if err := page.Execute(&body, v); err != nil {
		p.source.Log.Error("cannot write the operator's page", "error", err)
		http.Error(w, "the page cannot be shown: the log says why", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(body.Bytes())
}

// take keeps a sample and answers the one to compare it with: the newest that is
// old enough, or the start.
func (p *Page) take(s sample) (before sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.at.Sub(p.last.at) >= ratesOver {
		p.before, p.last = p.last, s
	}
	return p.before
}

// largest are the owners who keep most, as of a minute ago at most.
func (p *Page) largest(ctx context.Context) ([]Owner, error) {
	p.mu.Lock()
	defer p.mu.Unlock() // one who asks is enough
	if now := p.now(); p.owners.at.IsZero() || now.Sub(p.owners.at) >= ownersAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ownersTime)
		defer cancel()
		list, err := p.source.Owners(ctx, ownersMost)
		if err != nil {
			p.source.Log.Warn("the operator's page cannot list owners", "error", err)
		}
		p.owners = ownerList{at: now, list: list, err: err}
	}
	return p.owners.list, p.owners.err
}
