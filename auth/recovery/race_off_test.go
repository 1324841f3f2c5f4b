//go:build !race

package recovery_test

// directInputs is how many signatures are compared with decred's answer in an
// ordinary run of the tests.
const directInputs = 100_000
