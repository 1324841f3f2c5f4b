package resolve

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"syncline/synckit"
	"syncline/synckit/version"
)

// Conflict is what a rule is asked about.
type Conflict struct {
	Local, Remote []synckit.EventWithVersion
}

// Events are those of both sides.
func (c Conflict) Events() []synckit.EventWithVersion { return slices.Concat(c.Local, c.Remote) }

// AggregateID is the aggregate that the conflict is about.
func (c Conflict) AggregateID() string {
	for _, e := range c.Events() {
		return e.Event.AggregateID()
	}
	return ""
}

// Condition says of which conflicts a rule holds.
type Condition struct {
	text  string
	holds func(Conflict) bool
}

// When makes a condition of a function. text says what it asks, for people.
func When(text string, holds func(Conflict) bool) Condition { return Condition{text, holds} }

// Holds tells whether a conflict fulfils the condition. The zero Condition holds
// of all.
func (c Condition) Holds(conflict Conflict) bool { return c.holds == nil || c.holds(conflict) }

// String says what the condition asks.
func (c Condition) String() string {
	if c.holds == nil {
		return "always"
	}
	return c.text
}

// some asks for one event, on either side.
func some(text string, is func(synckit.EventWithVersion) bool) Condition {
	return When(text, func(c Conflict) bool { return slices.ContainsFunc(c.Events(), is) })
}

// EventType asks for an event of one of the types, on either side.
func EventType(types ...string) Condition {
	return some("type is "+list(types), func(e synckit.EventWithVersion) bool { return slices.Contains(types, e.Event.Type()) })
}

// OnlyEventTypes asks that all events on both sides are of these types.
func OnlyEventTypes(types ...string) Condition {
	return When("all types are "+list(types), func(c Conflict) bool {
		return !slices.ContainsFunc(c.Events(), func(e synckit.EventWithVersion) bool { return !slices.Contains(types, e.Event.Type()) })
	})
}

// Aggregate asks for an aggregate ID that one of the patterns matches, as
// path.Match reads them: order-* for those that begin with order-, in which
// there is no slash. A pattern that cannot be read matches nothing.
func Aggregate(patterns ...string) Condition {
	return When("aggregate matches "+list(patterns), func(c Conflict) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			matched, err := path.Match(pattern, c.AggregateID())
			return matched && err == nil
		})
	})
}

// Changed asks for an event, on either side, whose data is a JSON object with one
// of the fields.
func Changed(fields ...string) Condition {
	return When("changed "+list(fields), func(c Conflict) bool {
		return changes(c.Local, fields) || changes(c.Remote, fields)
	})
}

// BothChanged asks that both sides changed a field, one of these, the same on
// both.
func BothChanged(fields ...string) Condition {
	return When("both changed "+list(fields), func(c Conflict) bool {
		return slices.ContainsFunc(fields, func(field string) bool {
			return changes(c.Local, []string{field}) && changes(c.Remote, []string{field})
		})
	})
}

func changes(events []synckit.EventWithVersion, fields []string) bool {
	return slices.ContainsFunc(events, func(e synckit.EventWithVersion) bool {
		patch, err := fieldsOf(e.Event)
		return err == nil && slices.ContainsFunc(fields, func(field string) bool {
			_, ok := patch[field]
			return ok
		})
	})
}

// Metadata asks for an event, on either side, with a value in its metadata. Values
// are compared as text.
func Metadata(key, value string) Condition {
	return some(fmt.Sprintf("metadata %q is %q", key, value), func(e synckit.EventWithVersion) bool {
		found, ok := e.Event.Metadata()[key]
		return ok && fmt.Sprint(found) == value
	})
}

// OriginKey is the metadata key under which Origin finds who wrote an event.
const OriginKey = "origin"

// Origin asks for an event, on either side, that one of the nodes wrote: as its
// metadata's OriginKey says, or else the node of its version.HLC. Which peer an
// event came through is not asked: that differs from node to node.
func Origin(nodes ...string) Condition {
	return some("origin is "+list(nodes), func(e synckit.EventWithVersion) bool {
		return slices.Contains(nodes, originOf(e))
	})
}

func originOf(e synckit.EventWithVersion) string {
	if origin, ok := e.Event.Metadata()[OriginKey].(string); ok {
		return origin
	}
	hlc, _ := e.Version.(version.HLC)
	return hlc.Node
}

// And asks that all conditions hold.
func And(conditions ...Condition) Condition {
	return When(joined(conditions, " and "), func(c Conflict) bool {
		return !slices.ContainsFunc(conditions, func(condition Condition) bool { return !condition.Holds(c) })
	})
}

// Or asks that one condition holds.
func Or(conditions ...Condition) Condition {
	return When(joined(conditions, " or "), func(c Conflict) bool {
		return slices.ContainsFunc(conditions, func(condition Condition) bool { return condition.Holds(c) })
	})
}

// Not asks that a condition does not hold.
func Not(condition Condition) Condition {
	return When("not ("+condition.String()+")", func(c Conflict) bool { return !condition.Holds(c) })
}

func joined(conditions []Condition, by string) string {
	texts := make([]string, len(conditions))
	for i, c := range conditions {
		texts[i] = "(" + c.String() + ")"
	}
	return strings.Join(texts, by)
}

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%q", text)
	}
	return strings.Join(quoted, " or ")
}
