package signal_test

import (
	"testing"

	"syncline/synckit/storage/internal/signal"
)

func raised(waiting <-chan struct{}) bool {
	select {
	case <-waiting:
		return true
	default:
		return false
	}
}

func TestRaiseWakesThoseWhoWait(t *testing.T) {
	t.Parallel()
	var s signal.Signal
	s.Raise() // nobody waits
	first, second := s.Changed(), s.Changed()
	if raised(first) {
		t.Fatal("woken by what came before")
	}
	s.Raise()
	if !raised(first) || !raised(second) {
		t.Error("not all were woken")
	}
	if raised(s.Changed()) {
		t.Error("woken before the next")
	}
}
