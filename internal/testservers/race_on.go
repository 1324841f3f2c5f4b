//go:build race

package testservers

const raceDetector = true
