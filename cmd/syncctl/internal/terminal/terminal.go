// Package terminal makes text from others fit to be shown on a terminal. What a
// record or an error message contains must not move the cursor, colour the
// screen, reorder a line, or pass for a line of the program's own.
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// Line is a text for a place within a line: an id, a name, a message. Control
// characters, line ends, and characters that are invisible or reorder others
// stand as escapes such as \u001b. What is not UTF-8 stands as \xff.
func Line(s string) string { return escape(s, isUnsafeInLine) }

// Text is a text that may have lines of its own, such as the data of a record.
// Line ends and tabs stay; a carriage return that ends a line is dropped.
// Invisible marks stay, as many scripts need them; what reorders text does not.
func Text(s string) string {
	return escape(strings.ReplaceAll(s, "\r\n", "\n"), isUnsafeInText)
}

// JSON is encoded JSON without what could harm a terminal: such characters stand
// as escapes of JSON, so the values remain the same.
func JSON(encoded []byte) []byte {
	if !strings.ContainsFunc(string(encoded), isUnsafeInText) {
		return encoded
	}
	return []byte(escape(string(encoded), isUnsafeInText))
}

func isUnsafeInText(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func isUnsafeInLine(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d' // of Persian, and of emoji
	return isUnsafeInText(r) || r == '\n' || r == '\t' || unicode.Is(unicode.Cf, r) && r != nonJoiner && r != joiner
}

func escape(s string, isUnsafe func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, isUnsafe) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !isUnsafe(r):
			b.WriteString(s[:n])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// IsText tells whether data is text that people can read: UTF-8 without control
// characters other than tabs and line ends.
func IsText(data []byte) bool {
	return utf8.Valid(data) && !strings.ContainsFunc(string(data), func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
}

// Width is how many cells of a terminal a text takes: two for most of what East
// Asian scripts and emoji consist of, none for combining marks.
func Width(s string) int { return displaywidth.String(s) }

// Pad fills a text with spaces up to a width in cells.
func Pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-Width(s))) }

// Shorten cuts a text that takes more than a number of cells, and ends it with an
// ellipsis then.
func Shorten(s string, width int) string { return displaywidth.TruncateString(s, width, "…") }
