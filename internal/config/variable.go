package config

import (
	"reflect"
	"slices"
)

// variable is the environment variable that fills a field.
func variable(field string) string {
	if f, ok := reflect.TypeFor[Config]().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}

// Variables lists the names of all variables, in the order of Config, those of files
// too.
func Variables() []string {
	var names []string
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "" {
			names = append(names, name)
			if slices.Contains(secrets, name) {
				names = append(names, name+fileSuffix)
			}
		}
	}
	return names
}
