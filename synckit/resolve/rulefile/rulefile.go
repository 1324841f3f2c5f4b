// Package rulefile reads the rules by which conflicts are resolved from YAML or JSON, so that
// who operates a program can change them without building it anew:
//
//	fallback: last_write_wins
//	groups:
//	  trial: { enabled: false }
//	rules:
//	  - name: prices are for people
//	    when: { type: [PriceSet], changed: [amount] }
//	    then: review
//	  - name: drafts
//	    group: trial
//	    when:
//	      any:
//	        - aggregate: ["draft-*"]
//	        - metadata: { state: draft }
//	      not: { origin: [import] }
//	    then: three_way_merge
//
// Rules stand in the order in which they are asked; those of a group that is not enabled are
// left out. All that a condition names must hold: type and only_types (event types), aggregate
// (patterns of path.Match), changed and both_changed (fields), metadata, origin, all, any and
// not. A rule without one always holds.
package rulefile

import (
	"bytes"
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
)

// Options are what a file's rules may use beside what this library has.
type Options struct {
	// Resolvers are the program's own, by the names that a file's "then" and "fallback" have
	// for them. Those of this library are last_write_wins, first_write_wins,
	// additive_merge, three_way_merge and review; they can be given other meanings.
	Resolvers map[string]synckit.ConflictResolver
	// Decided is Rules.Decided.
	Decided func(ctx context.Context, decision resolve.Decision)
}

// MaxBytes bounds a file.
const MaxBytes = 1 << 20

// file is what a file says.
type file struct {
	Fallback string           `yaml:"fallback"`
	Groups   map[string]group `yaml:"groups"`
	Rules    []rule           `yaml:"rules"`
}

type group struct {
	Enabled *bool `yaml:"enabled"` // none: it is
}

type rule struct {
	Name  string     `yaml:"name"`
	Group string     `yaml:"group"`
	When  *condition `yaml:"when"`
	Then  string     `yaml:"then"`
}

// condition asks for all of what it names.
type condition struct {
	Type        []string          `yaml:"type"`
	OnlyTypes   []string          `yaml:"only_types"`
	Aggregate   []string          `yaml:"aggregate"`
	Changed     []string          `yaml:"changed"`
	BothChanged []string          `yaml:"both_changed"`
	Metadata    map[string]string `yaml:"metadata"`
	Origin      []string          `yaml:"origin"`
	All         []condition       `yaml:"all"`
	Any         []condition       `yaml:"any"`
	Not         *condition        `yaml:"not"`
}

// Load reads a file's rules. Its error has the code InvalidOptions if there is none, or if it
// cannot be used: it then says which rule is wrong.
func Load(name string, options Options) (*resolve.Rules, error) {
	text, err := read(name)
	if err != nil {
		return nil, wrong(err)
	}
	return Parse(text, options)
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err == nil && len(text) > MaxBytes {
		err = fmt.Errorf("%s has more than %d bytes", name, MaxBytes)
	}
	return text, err
}

// Parse reads rules from YAML or JSON. A key that is not known is an error: it may be one
// that is misspelled.
func Parse(text []byte, options Options) (*resolve.Rules, error) {
	if len(text) > MaxBytes {
		return nil, wrong(fmt.Errorf("more than %d bytes", MaxBytes))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var f file
	if err := decoder.Decode(&f); err != nil && !stderrors.Is(err, io.EOF) {
		return nil, wrong(err)
	}
	if err := decoder.Decode(&file{}); !stderrors.Is(err, io.EOF) {
		return nil, wrong(stderrors.New("there is something after the first document"))
	}
	rules := &resolve.Rules{Decided: options.Decided}
	var err error
	if f.Fallback != "" {
		if rules.Fallback, err = options.resolver(f.Fallback); err != nil {
			return nil, wrong(fmt.Errorf("fallback: %w", err))
		}
	}
	for i, r := range f.Rules {
		made, err := f.rule(r, options)
		if err != nil {
			return nil, wrong(fmt.Errorf("rule %d, %.80q: %w", i+1, r.Name, err))
		}
		if on := f.Groups[r.Group].Enabled; on == nil || *on {
			rules.Rules = append(rules.Rules, made)
		}
	}
	return rules, nil
}

func wrong(err error) error { return errors.New(errors.InvalidOptions, "read rules", err) }

// rule checks also what is not enabled.
func (f file) rule(r rule, options Options) (made resolve.Rule, err error) {
	made.Name = r.Name
	if _, known := f.Groups[r.Group]; r.Group != "" && !known {
		return made, fmt.Errorf("there is no group %.80q", r.Group)
	}
	if made.Then, err = options.resolver(r.Then); err != nil {
		return made, fmt.Errorf("then: %w", err)
	}
	if r.When != nil {
		if made.When, err = r.When.condition(); err != nil {
			return made, fmt.Errorf("when: %w", err)
		}
	}
	return made, nil
}

func (o Options) resolver(name string) (synckit.ConflictResolver, error) {
	known := map[string]synckit.ConflictResolver{
		"last_write_wins":  resolve.LastWriteWins{},
		"first_write_wins": resolve.FirstWriteWins{},
		"additive_merge":   resolve.AdditiveMerge{},
		"three_way_merge":  resolve.ThreeWayMerge{},
		"review":           resolve.Review{},
	}
	maps.Copy(known, o.Resolvers)
	if r := known[name]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("there is no resolver %.80q: there are %q", name, slices.Sorted(maps.Keys(known)))
}

func (c condition) condition() (resolve.Condition, error) {
	var all []resolve.Condition
	for _, one := range []struct {
		values []string
		make   func(...string) resolve.Condition
	}{
		{c.Type, resolve.EventType},
		{c.OnlyTypes, resolve.OnlyEventTypes},
		{c.Aggregate, resolve.Aggregate},
		{c.Changed, resolve.Changed},
		{c.BothChanged, resolve.BothChanged},
		{c.Origin, resolve.Origin},
	} {
		if len(one.values) > 0 {
			all = append(all, one.make(one.values...))
		}
	}
	for _, pattern := range c.Aggregate {
		if _, err := path.Match(pattern, ""); err != nil {
			return resolve.Condition{}, fmt.Errorf("aggregate %.80q: %w", pattern, err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		all = append(all, resolve.Metadata(key, c.Metadata[key]))
	}
	if len(c.All) > 0 {
		conditions, err := conditions(c.All)
		if err != nil {
			return resolve.Condition{}, fmt.Errorf("all: %w", err)
		}
		all = append(all, resolve.And(conditions...))
	}
	if len(c.Any) > 0 {
		conditions, err := conditions(c.Any)
		if err != nil {
			return resolve.Condition{}, fmt.Errorf("any: %w", err)
		}
		all = append(all, resolve.Or(conditions...))
	}
	if c.Not != nil {
		not, err := c.Not.condition()
		if err != nil {
			return resolve.Condition{}, fmt.Errorf("not: %w", err)
		}
		all = append(all, resolve.Not(not))
	}
	switch len(all) {
	case 0:
		return resolve.Condition{}, stderrors.New("it asks for nothing")
	case 1:
		return all[0], nil
	default:
		return resolve.And(all...), nil
	}
}

func conditions(of []condition) ([]resolve.Condition, error) {
	made := make([]resolve.Condition, len(of))
	for i, c := range of {
		var err error
		if made[i], err = c.condition(); err != nil {
			return nil, fmt.Errorf("condition %d: %w", i+1, err)
		}
	}
	return made, nil
}
