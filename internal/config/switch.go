package config

import "fmt"

// Switch is on or off.
type Switch bool

// UnmarshalText reads on and off, and true and false.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on", "true":
		*s = true
	case "off", "false":
		*s = false
	default:
		return fmt.Errorf("%q is neither on nor off", text)
	}
	return nil
}
