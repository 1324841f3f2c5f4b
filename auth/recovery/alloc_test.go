package recovery_test

import (
	"testing"

	"syncline/auth/recovery"
)

// Neither an answer nor a refusal allocates.
func TestAllocatesNothing(t *testing.T) {
	for name, signature := range map[string][65]byte{
		"accepted": compact(31, x(1), number(1)),
		"refused":  compact(31, number(5), number(1)),
	} {
		if count := testing.AllocsPerRun(100, func() {
			_, _ = recovery.PublicKey([32]byte{1}, signature)
		}); count != 0 {
			t.Errorf("%s: %v allocations", name, count)
		}
	}
}
