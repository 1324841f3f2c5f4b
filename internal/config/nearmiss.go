package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nearMisses tells of names in the environment that nobody reads and that are
// nearly ours: whoever wrote them believes that they work.
func nearMisses(environment map[string]string) []string {
	known := Variables()
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if slices.Contains(known, name) || name == "SSL_CERT_FILE" { // which Go reads
			continue
		}
		if meant := nearest(name, known); meant != "" {
			warnings = append(warnings, fmt.Sprintf("%s is not a variable of Syncline and has no effect: is %s meant?", name, meant))
		}
	}
	return warnings
}

// nearest is the one of the known names that another may be meant for, or empty.
func nearest(name string, known []string) string {
	upper := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if meant, ok := strings.CutPrefix(upper, "SYNCLINE_"); ok {
		upper = meant
		// URL and KEY_FILE are syncctl's, and CERTIFICATE, PORT and SERVICE_HOST are
		// what an orchestrator tells of a service that is called syncline.
		if slices.Contains([]string{"URL", "KEY"}, upper) {
			return ""
		}
	}
	best, bestDistance := "", 0
	for _, candidate := range known {
		// One letter in six may be wrong. Names of OpenTelemetry are long, differ little, and are others' too.
		most := max(1, len(candidate)/6)
		if strings.HasPrefix(upper, "OTEL_") {
			most = 2
		}
		if d := distance(upper, candidate); d <= most && (best == "" || d < bestDistance) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is how many letters have to be changed, put in, taken out or swapped with
// their neighbour to make b of a.
func distance(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}
