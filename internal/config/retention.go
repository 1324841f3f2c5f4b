package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Retention is for how long something is kept; 0 for ever.
type Retention time.Duration

const day = 24 * time.Hour

// maxRetention fits, in seconds, into GraphQL's Int.
const maxRetention = 24_855 * day

var errRetention = errors.New("must be days, such as 90d, or a duration of at least a day, such as 36h, and at most 24855d; 0 keeps for ever")

// UnmarshalText reads days (90d), or a duration as Go writes it (36h).
func (r *Retention) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "0" {
		*r = 0
		return nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n == 0 || time.Duration(n)*day > maxRetention {
			return errRetention
		}
		*r = Retention(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < day || d > maxRetention {
		return errRetention
	}
	*r = Retention(d)
	return nil
}
