// Package serverurl looks at the URLs of servers before they are read, so that
// no part of a password is taken for something that may be shown.
package serverurl

import (
	"errors"
	"strings"
)

var errNotEncoded = errors.New("there is an @ too many, or one behind the part that names the server: a password in it must be percent-encoded, / as %2F and @ as %40")

// CheckPassword refuses a URL in which an @ follows the end of the authority,
// the part between :// and the first of the characters in ends. A password that
// holds such a character would be cut there: its beginning read as the server's
// name and port, the rest as a path, and both end up in messages. The error shows
// nothing of the URL. A text without :// is not a URL and passes.
func CheckPassword(rawURL, ends string) error {
	_, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil
	}
	end := strings.IndexAny(rest, ends)
	if end >= 0 && strings.Contains(rest[end:], "@") {
		return errNotEncoded
	}
	return nil
}

// CheckPasswordBeforeFirstAt is CheckPassword for those who read the server's name
// from the first @ on: of a password with an @, the rest would be taken for a part
// of that name. It refuses a second @ wherever it is; %40 says the same.
func CheckPasswordBeforeFirstAt(rawURL, ends string) error {
	if _, rest, ok := strings.Cut(rawURL, "://"); ok && strings.Count(rest, "@") > 1 {
		return errNotEncoded
	}
	return CheckPassword(rawURL, ends)
}
