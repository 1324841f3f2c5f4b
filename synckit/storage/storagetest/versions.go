package storagetest

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/version"
)

func vector(t *testing.T, text string) synckit.Version {
	t.Helper()
	v, err := version.Parse(text)
	noError(t, err)
	return v
}

func storeAt(t *testing.T, store synckit.EventStore, id, at string) {
	t.Helper()
	noError(t, store.Store(t.Context(), note(id, "x"), vector(t, at)))
}

func causal(t *testing.T, store synckit.EventStore) {
	texts := []string{`{"A":1}`, `{"A":1,"ünï 'q' \"":9007199254740991}`, `{"B":7}`}
	for i, text := range texts {
		storeAt(t, store, string(rune('a'+i)), text)
	}
	for i, e := range load(t, store, nil) {
		got, ok := e.Version.(synckit.CausalVersion)
		if !ok || got.Order(vector(t, texts[i])) != synckit.Equal {
			t.Fatalf("stored at %s, loaded at %v", texts[i], e.Version)
		}
	}
	// The first version that an event got stays.
	storeAt(t, store, "a", `{"A":5}`)
	equal(t, "version", load(t, store, nil)[0].Version.String(), texts[0])
}

// loadAfterCausal stores concurrent events: none may be missed by a reader who
// knows only some of them, in whatever order they came.
func loadAfterCausal(t *testing.T, store synckit.EventStore) {
	storeAt(t, store, "b1", `{"B":1}`)
	storeAt(t, store, "a1", `{"A":1}`)
	storeAt(t, store, "b2", `{"A":1,"B":2}`)
	storeAt(t, store, "a2", `{"A":2}`)
	for since, want := range map[string]string{
		`{}`:             "b1 a1 b2 a2",
		`{"A":1}`:        "b1 b2 a2",
		`{"B":1}`:        "a1 b2 a2",
		`{"A":1,"B":2}`:  "a2",
		`{"A":2}`:        "b1 b2",
		`{"A":9,"B":9}`:  "",
		`{"C":1}`:        "b1 a1 b2 a2",
		`{"A":2,"C":12}`: "b1 b2",
	} {
		equal(t, "after "+since, ids(load(t, store, vector(t, since))), want)
		equal(t, "of x after "+since, ids(loadAggregate(t, store, "x", vector(t, since))), want)
	}
}

// loadAfterPlace stores an event late whose version is earlier: it comes after
// what a reader saw before it came.
func loadAfterPlace(t *testing.T, store synckit.EventStore) {
	storeAt(t, store, "noon", "1200.0@a")
	storeAt(t, store, "one", "1300.0@a")
	storeAt(t, store, "morning", "900.0@b")
	all := load(t, store, nil)
	equal(t, "version", all[2].Version.String(), "900.0@b")
	equal(t, "after noon", ids(load(t, store, all[0].Version)), "one morning")
	equal(t, "after one", ids(load(t, store, all[1].Version)), "morning")
	equal(t, "after morning", ids(load(t, store, all[2].Version)), "")
	equal(t, "of x after one", ids(loadAggregate(t, store, "x", all[1].Version)), "morning")
	equal(t, "after one that is not there", ids(load(t, store, vector(t, "1230.0@a"))), "one")
}
