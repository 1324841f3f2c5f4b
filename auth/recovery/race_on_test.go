//go:build race

package recovery_test

// directInputs is smaller under the race detector, which has little to look for
// in arithmetic, and slows it many times.
const directInputs = 3_000
