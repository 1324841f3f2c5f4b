// Package commandline is what the command lines of the server and of syncctl have
// in common: how arguments are read, the version, completion by shells, and the
// manual page. Both are parsed by kong.
package commandline

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// version is set by the linker where a build knows no repository, as in images.
var version string

// Version is that of the module, or the revision it was built from, and that of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := version
	if v == "" {
		v = info.Main.Version
	}
	if v == "" || v == "(devel)" {
		v = "development"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return v + " (" + info.GoVersion + ")"
}

// VersionFlag is a flag that shows the version, whatever else the command line has.
type VersionFlag bool

// BeforeReset is called by kong.
func (VersionFlag) BeforeReset(k *kong.Kong) error {
	_, _ = fmt.Fprintf(k.Stdout, "%s %s\n", k.Model.Name, Version())
	k.Exit(0)
	return nil
}

// Mappers has kong take arguments as they are. By itself it passes strings through
// JSON, which replaces bytes that are not UTF-8, so that they would name another
// file. Fields of type "bytes" and "path" may have any bytes (a path has ~ expanded,
// and - is left alone); all other strings must be text.
func Mappers() kong.Option {
	return kong.OptionFunc(func(k *kong.Kong) error {
		for _, option := range []kong.Option{
			kong.KindMapper(reflect.String, kong.MapperFunc(mapText)),
			kong.NamedMapper("bytes", kong.MapperFunc(mapBytes)),
			kong.NamedMapper("path", kong.MapperFunc(mapPath)),
		} {
			if err := option.Apply(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// Text reads the next argument, which must be valid UTF-8.
func Text(ctx *kong.DecodeContext) (string, error) {
	value, err := ctx.Scan.PopValue("string")
	if err != nil {
		return "", err
	}
	text := fmt.Sprint(value.Value)
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%q is not valid UTF-8", text)
	}
	return text, nil
}

func mapText(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := Text(ctx)
	if err == nil {
		target.SetString(text)
	}
	return err
}

func mapBytes(ctx *kong.DecodeContext, target reflect.Value) error {
	if target.Kind() == reflect.Slice {
		for _, token := range ctx.Scan.PopWhile(func(t kong.Token) bool { return t.IsValue() }) {
			target.Set(reflect.Append(target, reflect.ValueOf(fmt.Sprint(token.Value))))
		}
		return nil
	}
	value, err := ctx.Scan.PopValue("data")
	if err != nil {
		return err
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	target.SetString(fmt.Sprint(value.Value))
	return nil
}

func mapPath(ctx *kong.DecodeContext, target reflect.Value) error {
	value, err := ctx.Scan.PopValue("file")
	if err != nil {
		return err
	}
	path := fmt.Sprint(value.Value)
	if path != "" && path != "-" {
		path = kong.ExpandPath(path)
	}
	target.SetString(path)
	return nil
}
