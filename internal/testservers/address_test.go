package testservers_test

import (
	"testing"

	"syncline/internal/testservers"
)

// Servers start, and start again, a while after they have got their address.
func TestFreeAddressesAreNotGivenTwice(t *testing.T) {
	t.Parallel()
	given := map[string]bool{}
	for range 200 {
		address := testservers.FreeAddress(t)
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
	}
}
