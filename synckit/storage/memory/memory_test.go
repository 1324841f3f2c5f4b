package memory_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/storagetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) synckit.EventStore { return memory.New() })
}
