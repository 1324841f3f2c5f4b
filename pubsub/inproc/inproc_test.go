package inproc_test

import (
	"testing"

	"go.uber.org/goleak"

	"syncline/pubsub/inproc"
	"syncline/pubsub/pubsubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBus(t *testing.T) {
	pubsubtest.Run(t, func(*testing.T) pubsubtest.Harness {
		bus := inproc.New()
		return pubsubtest.Harness{Here: bus, There: bus, Close: bus.Close}
	})
}
