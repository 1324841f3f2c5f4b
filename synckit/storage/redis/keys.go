package redis

import (
	"fmt"
	"strconv"

	"syncline/synckit"
)

// keys are the names of a store's keys. What stands in braces decides a key's slot in a
// Cluster, so all are in one, and a script may use any of them.
type keys struct{ prefix string }

func (k keys) named(name string) string { return "{" + k.prefix + "}:" + name }

func (k keys) log() string       { return k.named("log") }       // stream: the events, by position
func (k keys) ids() string       { return k.named("ids") }       // hash: event ID to digest and position
func (k keys) heads() string     { return k.named("heads") }     // hash: aggregate to newest position and highest clock
func (k keys) state() string     { return k.named("state") }     // hash: schema, latest, time, changes, places
func (k keys) confirmed() string { return k.named("confirmed") } // bitmap, by position
func (k keys) cursors() string   { return k.named("cursors") }   // hash
func (k keys) places() string    { return k.named("places") }    // hash: review ID to its place, also of those that ended
func (k keys) waiting() string   { return k.named("waiting") }   // sorted set: review IDs by place
func (k keys) reviews() string   { return k.named("reviews") }   // hash: review ID to content
func (k keys) channel() string   { return k.named("changed") }

// done has the answer to a commit for a minute, for a client that asks again.
func (k keys) done(commit string) string { return k.named("done:" + commit) }

// index is a stream that has the positions of an aggregate's events.
func (k keys) index(aggregateID string) string { return k.named("aggregate:" + aggregateID) }

func cursorField(peer string, direction synckit.Direction) string {
	return fmt.Sprintf("%d:%s%s", len(direction), direction, peer)
}

func position(p uint64) string { return strconv.FormatUint(p, 10) }
