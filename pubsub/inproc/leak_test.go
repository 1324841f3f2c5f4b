package inproc

import (
	"testing"

	"syncline/pubsub"
)

// What was closed is forgotten: owners come and go for as long as the process lives.
func TestClosedSubscriptionsAreForgotten(t *testing.T) {
	t.Parallel()
	bus := New()
	defer bus.Close()
	var open []pubsub.Subscription
	for i := range 100 {
		s, err := bus.Subscribe(t.Context(), pubsub.Owner{0: 2, 1: byte(i / 2)}, pubsub.Records)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	for _, s := range open {
		s.Close()
	}
	if n := len(bus.subscriptions); n != 0 {
		t.Errorf("the bus remembers %d topics that nobody subscribes to", n)
	}
}
