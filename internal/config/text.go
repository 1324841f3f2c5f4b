package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// lists are variables whose value is a list: it may be empty, and blanks around its
// entries are no part of them.
var lists = []string{"ALLOWED_HEADERS", "ALLOWED_ORIGINS", "METRICS_HOSTS", "PUBLIC_AUTHORITIES", "TRUSTED_PROXIES"}

// checkTexts refuses values that say something else than they seem to: nothing,
// where something was to be filled in, and what a shell would have taken away, but
// an env file, a manifest or a unit hands on. The error does not have the value,
// which may be a secret.
func checkTexts(environment map[string]string) error {
	for _, name := range slices.Concat(Variables(), readByTheSDK(environment)) {
		value, set := environment[name]
		if !set {
			continue
		}
		entries := []string{value}
		if slices.Contains(lists, name) {
			entries = nil
			for entry := range strings.SplitSeq(value, ",") {
				entries = append(entries, strings.Trim(entry, " "))
			}
		} else if value == "" && name != "METRICS_LISTEN_ADDRESS" { // which is off without a value
			return fmt.Errorf("%s: is set, but empty: give it a value, or unset it", name)
		}
		for _, entry := range entries {
			if err := checkText(entry); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

const quotes = "\"'`“”‘’"

func checkText(value string) error {
	switch first, last := strings.IndexAny(value, quotes) == 0, strings.ContainsAny(lastRune(value), quotes); {
	case strings.TrimFunc(value, unicode.IsSpace) != value:
		return errors.New("begins or ends with a blank or a line's end, which would be part of the value: take it away")
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("has a line's end or another control character in it: take it away")
	case first || last && !strings.Contains(value, "="): // a keyword string of PostgreSQL quotes values
		return errors.New("is in quotes, which would be part of the value: take them away")
	}
	return nil
}

func lastRune(s string) string {
	runes := []rune(s)
	return string(runes[max(0, len(runes)-1):])
}
