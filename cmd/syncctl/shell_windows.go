package main

import "strings"

// shellCommand is how the system's shell runs a command line.
func shellCommand(line string) []string { return []string{"cmd", "/c", line} }

// shellQuote makes text one word of PowerShell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
