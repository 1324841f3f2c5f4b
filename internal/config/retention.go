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

var errRetention = errors.New("must be days, such as 90d, or a duration of at least a day, such as 36h; 0 keeps for ever")

// UnmarshalText reads days (90d), or a duration as Go writes it (36h).
func (r *Retention) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "0" {
		*r = 0
		return nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n == 0 {
			return errRetention
		}
		*r = Retention(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < day || d > (1<<16)*day {
		return errRetention
	}
	*r = Retention(d)
	return nil
}
