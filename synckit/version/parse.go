package version

import (
	"strings"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// Parse reads the text of a cursor.IntegerCursor, a VectorClock or an HLC. Its
// error has the code InvalidVersion, or TooLarge beyond the limits.
func Parse(text string) (synckit.Version, error) {
	switch {
	case strings.HasPrefix(text, "{"):
		var clock VectorClock
		if err := clock.UnmarshalJSON([]byte(text)); err != nil {
			return nil, err
		}
		return clock, nil
	case strings.Contains(text, "@"):
		return parseHLC(text)
	default:
		position, err := cursor.Parse(text)
		if err != nil {
			return nil, errors.New(errors.InvalidVersion, "parse version", err)
		}
		return position, nil
	}
}
