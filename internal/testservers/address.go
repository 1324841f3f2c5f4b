package testservers

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports for servers of tests, which are below those that systems give to
// whoever asks for any port: nobody gets one by chance before its server listens,
// or while that is down. As many above them stand for the claims of running tests.
const (
	firstPort = 11_000
	ports     = 10_000
)

// FreeAddress is a loopback address on which nobody listens. No other test gets
// it before this one ends, in this process or another.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		n := firstPort + rand.IntN(ports)
		claim, err := net.Listen("tcp", loopback(n+ports))
		if err != nil { // another test has this pair
			continue
		}
		if l, err := net.Listen("tcp", loopback(n)); err != nil || l.Close() != nil {
			claim.Close()
			continue
		}
		t.Cleanup(func() { claim.Close() })
		return loopback(n)
	}
	t.Fatal("no port is free")
	return ""
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
