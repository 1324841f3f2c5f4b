//go:build !race

package testservers

const raceDetector = false
