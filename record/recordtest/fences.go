package recordtest

import (
	"testing"

	"syncline/record"
)

var fenceCases = []testCase{
	{"the token must be the newest granted", testFence},
	{"judgement goes mutation id, fence, revision", testOrderOfJudgement},
	{"a fence belongs to owner and lock", testFenceScope},
}

func testFence(t *testing.T, w *world) {
	u := w.user(t, 1)
	_, err := u.try(withFence("l", 1, set("a", "", 0)))
	assertInvalid(t, err, "fence.lock")
	w.Grant(t, u.owner, "l", 5)
	u.put(withFence("l", 5, set("a", "", 0)))
	_, err = u.try(withFence("l", 6, set("b", "", 0)))
	assertInvalid(t, err, "fence.token")
	for _, old := range []record.FenceToken{4, 1, 0} {
		_, err = u.try(withFence("l", old, set("b", "", 0)))
		assertIs(t, err, record.ErrFenced)
	}
	w.Grant(t, u.owner, "l", 9)
	_, err = u.try(withFence("l", 5, set("b", "", 0)))
	assertIs(t, err, record.ErrFenced)
	u.put(withFence("l", 9, batch(setWrite("b", "", 0), delWrite("a", 1))))
	u.put(set("c", "", 0)) // a write without fence is not held up
	assertEqual(t, "head", u.account().Head, 4)
}

func testOrderOfJudgement(t *testing.T, w *world) {
	u := w.user(t, 1)
	w.Grant(t, u.owner, "l", 2)
	u.put(withMutation("m", set("a", "x", 0)))
	// Reuse before the fence, the fence before the revision.
	_, err := u.try(withMutation("m", withFence("l", 1, set("a", "y", 7))))
	assertIs(t, err, record.ErrMutationIDReused)
	_, err = u.try(withMutation("n", withFence("l", 1, set("a", "y", 7))))
	assertIs(t, err, record.ErrFenced)
	assertResult(t, u.write(withMutation("n", withFence("l", 2, set("a", "y", 7)))), "conflict; conflict a@1=x")
}

func testFenceScope(t *testing.T, w *world) {
	one, two := w.user(t, 1), w.user(t, 2)
	w.Grant(t, one.owner, "l", 3)
	w.Grant(t, one.owner, "L", 4)
	w.Grant(t, two.owner, "l", 5)
	one.put(withFence("l", 3, set("a", "", 0)))
	one.put(withFence("L", 4, set("b", "", 0)))
	two.put(withFence("l", 5, set("a", "", 0)))
	_, err := two.try(withFence("L", 4, set("b", "", 0)))
	assertInvalid(t, err, "fence.lock")
}
