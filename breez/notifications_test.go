package breez_test

import (
	"testing"

	"syncline/internal/testservers"
)

// Two devices that change one record in a row: each change is told with its writer's name while streams keep
// up. Where changes wait, those of one device share a notification, and those that a later change of their
// record hides are told by one of nobody, so that no device takes another's change for its own.
func TestNotificationsOfOneRecord(t *testing.T) {
	t.Parallel()
	// Without Redis, an instance that does not poll hears nothing of the other until something is written by it.
	env := []string{switchedOn, "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t), "FEED_POLL_INTERVAL=10m"}
	here, there := testservers.StartSyncline(t, env...), testservers.StartSyncline(t, env...)
	u := newUser(t)
	at := func(server *testservers.Syncline, name string) device {
		return device{t, u, protocols[0].client(t, server.Address), name}
	}
	one, two := at(here, "one"), at(here, "two")
	prompt := []stream{one.listen(), two.listen()}
	late := at(there, "").listen()
	mustHear := func(name string) {
		t.Helper()
		for _, s := range prompt {
			s.follows(name)
		}
	}

	revision := one.set("a", []byte("one's"), 0)
	mustHear("one")
	two.set("a", []byte("two's"), revision)
	mustHear("two")
	at(there, "wakes").set("w", nil, 0)
	for _, want := range []string{"", "two", "wakes"} { // the first hides one's
		late.follows(want)
	}

	// Those of each of two devices share one, and one device's own is hidden as well.
	for _, id := range []string{"b", "c"} {
		one.set(id, nil, 0)
	}
	revision = two.set("d", nil, 0)
	two.set("d", nil, revision)
	at(there, "wakes").set("x", nil, 0)
	for _, want := range []string{"one", "", "two", "wakes"} {
		late.follows(want)
	}
	if got := one.list(0); len(got) != 6 {
		t.Errorf("%d records", len(got))
	}
}
