package storagetest_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/storagetest"
)

// plain hides that a store is a log.
type plain struct{ synckit.EventStore }

func TestAStoreThatIsNoLog(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) synckit.EventStore { return plain{memory.New()} })
}

func TestALog(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) synckit.EventStore { return memory.New() })
}
