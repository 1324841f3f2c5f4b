//go:build !race

package testservers

// RaceDetector tells whether the tests run under the race detector.
const RaceDetector = false
