package peerlog

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"syncline/synckit/errors"
)

// place is where a cursor stands in one log: after the event whose fingerprint it carries. The
// fingerprint catches what the log's own id cannot: a log that was restored from
// a backup and went on differently.
type place struct {
	log         string // the log's id
	at          string // the position or version after which to read; empty is the beginning
	fingerprint string // of the event there
}

var text = base64.RawURLEncoding

func (c place) String() string {
	return c.log + "." + text.EncodeToString([]byte(c.at)) + "." + c.fingerprint
}

func parsePlace(s string) (place, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] == "" {
		return place{}, errors.New(errors.InvalidVersion, "read cursor", fmt.Errorf("%.100q is not a cursor", s))
	}
	at, err := text.DecodeString(parts[1])
	if err != nil {
		return place{}, errors.New(errors.InvalidVersion, "read cursor", fmt.Errorf("%.100q is not a cursor", s))
	}
	return place{log: parts[0], at: string(at), fingerprint: parts[2]}, nil
}

func fingerprint(eventID string) string {
	sum := sha256.Sum256([]byte(eventID))
	return text.EncodeToString(sum[:9])
}

func lost(why string) error {
	return errors.New(errors.CursorLost, "read cursor", fmt.Errorf("the cursor is not of this log: %s", why))
}
