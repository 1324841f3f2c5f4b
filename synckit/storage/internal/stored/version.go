package stored

import (
	"syncline/synckit"
	"syncline/synckit/version"
)

// Kinds of versions, as stores keep them.
const (
	kindVector = "vector"
	kindHLC    = "hlc"
	kindOther  = "other" // the app's own
)

// ParseVersion reads a version of an app's own kind.
type ParseVersion func(text string) (synckit.Version, error)

// Kind is what a store keeps beside a version's text, so that it is read as what
// it was; empty for no version.
func Kind(own synckit.Version) (kind, text string) {
	switch v := own.(type) {
	case nil:
		return "", ""
	case version.VectorClock:
		return kindVector, v.String()
	case version.HLC:
		return kindHLC, v.String()
	default:
		return kindOther, v.String()
	}
}

// Version reads what Kind gave. It is nil where there was none, and where parse
// is needed but cannot read it.
func (parse ParseVersion) Version(kind, text string) (synckit.Version, error) {
	switch kind {
	case "":
		return nil, nil
	case kindVector, kindHLC:
		return version.Parse(text)
	}
	if parse == nil {
		return nil, nil
	}
	if v, err := parse(text); err == nil {
		return v, nil
	}
	return nil, nil
}

// Parse reads a version that came as text: one of synckit's kinds, or of the
// app's own.
func (parse ParseVersion) Parse(text string) (synckit.Version, error) {
	v, err := version.Parse(text)
	if err == nil || parse == nil {
		return v, err
	}
	return parse(text)
}
