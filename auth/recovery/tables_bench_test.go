package recovery

import "testing"

// BenchmarkTables builds the tables of G, which the first PublicKey of a process
// waits for.
func BenchmarkTables(b *testing.B) {
	var low, high tableG
	for b.Loop() {
		fillTables(&low, &high)
	}
}
