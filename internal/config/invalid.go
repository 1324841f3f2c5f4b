package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// oneLine names the variable before the reason, as operators look for it.
func oneLine(err error, environment map[string]string) error {
	var all env.AggregateError
	if errors.As(err, &all) && len(all.Errors) > 0 {
		err = all.Errors[0]
	}
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	name := variable(parse.Name)
	if valid := validValues(parse.Type); valid != "" {
		return fmt.Errorf("%s: %q is not %s", name, environment[name], valid)
	}
	return fmt.Errorf("%s: %w", name, parse.Err)
}

// validValues says what a variable of some type may be; empty for types that
// say it themselves.
func validValues(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		return "a whole number"
	case reflect.TypeFor[float64]():
		return "a number"
	case reflect.TypeFor[time.Duration]():
		return "a duration with its unit, such as 500ms, 15s or 24h"
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	}
	return ""
}
