//go:build race

package testservers

// RaceDetector tells whether the tests run under the race detector, which makes minutes
// of seconds: what it has nothing to find in may be shorter then.
const RaceDetector = true
