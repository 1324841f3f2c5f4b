//go:build !race

package entstore_test

const raceDetector = false
