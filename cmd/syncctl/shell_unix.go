//go:build !windows

package main

// shellCommand is how the system's shell runs a command line.
func shellCommand(line string) []string { return []string{"sh", "-c", line} }

// shellQuote makes text one word of the system's shell.
func shellQuote(s string) string { return posixQuote(s) }
