package ratelimit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// exchangeInterval is how often instances tell each other.
	exchangeInterval = time.Second
	// busy is which part of a limit a subject takes here before others are told:
	// with up to this many instances the limits hold for all together.
	busy = 20
	// maxExchanged bounds what is exchanged at a time.
	maxExchanged = 1000
	// believed is how long what another instance has open counts, after it told so.
	believed = 5 * exchangeInterval
)

// Exchange is a place where instances leave figures for each other. It need not
// keep them for longer than a minute. What it forgets, or while it is away, the
// limits hold for each instance alone.
type Exchange interface {
	// Swap stores this instance's figures of subjects and answers all instances', this
	// one's too, as lines by instance, in the same order. Figures are short texts
	// without meaning to it.
	Swap(ctx context.Context, mine []Figures) (all []map[string]string, err error)
	// Instance is this instance's name among the others.
	Instance() string
}

// Figures are what one instance says of a subject.
type Figures struct {
	Subject string // its kind and name, such as "address:192.0.2.1/32"
	Line    string
}

// figures are what a subject took on an instance since that has known it, and what it
// has open there. They only grow, but for what is open: whoever reads them twice
// knows what was taken in between, however often a message was lost or doubled. A
// subject whose limits are full again is forgotten, and then they start from nothing.
type figures struct {
	number int64 // of this message, from 1 on since the instance has known the subject
	taken  [rates]int64
	held   [holds]int
}

// heard is what another instance said last, and when that was new.
type heard struct {
	figures
	at time.Time
}

func (f figures) String() string {
	words := []string{strconv.FormatInt(f.number, 10)}
	for _, n := range f.taken {
		words = append(words, strconv.FormatInt(n, 10))
	}
	for _, n := range f.held {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, " ")
}

func parseFigures(line string) (f figures, err error) {
	fields := []any{&f.number}
	for k := range f.taken {
		fields = append(fields, &f.taken[k])
	}
	for k := range f.held {
		fields = append(fields, &f.held[k])
	}
	_, err = fmt.Sscan(line, fields...)
	return f, err
}

// exchange tells other instances of the busiest subjects, and takes from their
// limits here what they took there.
func (g *Gate) exchange(ctx context.Context) {
	if g.options.Exchange == nil {
		return
	}
	for _, t := range []*table{g.addresses, g.owners} {
		mine, keys := t.tell()
		if len(mine) == 0 {
			continue
		}
		all, err := g.options.Exchange.Swap(ctx, mine)
		switch {
		case err == nil:
			g.away = false
		case !g.away && ctx.Err() == nil:
			g.away = true
			g.options.Log.WarnContext(ctx, "rate limits hold for each instance alone until figures can be exchanged again", "error", err)
		}
		for i, lines := range all {
			t.hear(keys[i], lines, g.options.Exchange.Instance())
		}
	}
}

// tell is what is to be said of those who took much since it was said last.
func (t *table) tell() (mine []Figures, keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for key, s := range t.subjects {
		if len(mine) == maxExchanged {
			break
		}
		if !s.isBusy(t.bounds, now) {
			continue
		}
		s.told = figures{number: s.told.number + 1, taken: s.taken, held: s.held}
		s.toldAt = now
		mine = append(mine, Figures{Subject: t.name + ":" + key, Line: s.told.String()})
		keys = append(keys, key)
	}
	return mine, keys
}

// isBusy tells whether a subject takes so much that others must know.
func (s *subject) isBusy(b bounds, now time.Time) bool {
	passed := min(now.Sub(s.toldAt), saved)
	for k, bound := range b.rates {
		if bound.each > 0 && float64(s.taken[k]-s.told.taken[k])*busy > float64(bound.each)*passed.Seconds() {
			return true
		}
	}
	for k, most := range b.holds {
		if most > 0 && s.held[k]*busy > most {
			return true
		}
	}
	return false
}

// hear takes from a subject's limits what it took on other instances.
func (t *table) hear(key string, lines map[string]string, self string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.subjects[key]
	if !ok {
		return
	}
	now, present := t.now(), make(map[string]heard, len(lines))
	s.elsewhere, s.heardAt = [holds]int{}, now
	for instance, line := range lines {
		f, err := parseFigures(line)
		if instance == self || err != nil {
			continue
		}
		last, known := s.others[instance]
		switch {
		case known && last.figures == f: // nothing new
		case known && last.number < f.number:
			s.oweElsewhere(last.figures, f, now)
		case known || f.number == 1:
			// That instance had forgotten the subject, or never heard of it: all that it
			// tells was taken just now.
			s.oweElsewhere(figures{}, f, now)
		}
		if !known || last.figures != f {
			last = heard{f, now}
		}
		present[instance] = last
		if now.Sub(last.at) < believed {
			for k := range f.held {
				s.elsewhere[k] += f.held[k]
			}
		}
	}
	s.others = present
}

// maxOwed is how many times what a limit holds another instance's message can
// take from it: more than any client gets there between two.
const maxOwed = 10

// oweElsewhere takes what was taken on another instance between two messages.
func (s *subject) oweElsewhere(before, after figures, now time.Time) {
	for k := range after.taken {
		if n := after.taken[k] - before.taken[k]; n > 0 && s.rates[k] != nil {
			s.owe(kind(k), int(min(n, maxOwed*int64(s.rates[k].Burst()))), now)
		}
	}
}
