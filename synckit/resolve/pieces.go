package resolve

import (
	"encoding/json"
	"slices"

	"syncline/synckit"
)

// maxPieceBytes bounds the data of an event that a merge makes, unless one of its
// fields alone has more.
const maxPieceBytes = 32 << 10

// pieces parts a patch into patches that together do the same, each of up to
// maxPieceBytes of JSON where its fields allow that.
func pieces(patch fields) (all []fields) {
	piece, size := fields{}, len(`{}`)
	for _, name := range names(patch, nil) {
		for _, value := range parts(patch[name]) {
			length := jsonSize(name) + jsonSize(value) + len(`:,`)
			_, twice := piece[name]
			if len(piece) > 0 && (twice || size+length > maxPieceBytes) {
				all = append(all, piece)
				piece, size = fields{}, len(`{}`)
			}
			piece[name] = value
			size += length
		}
	}
	if len(piece) > 0 || len(all) == 0 {
		all = append(all, piece)
	}
	return all
}

// parts are an object's pieces, if it is too large for one; else the value.
func parts(value any) []any {
	object, ok := value.(fields)
	if !ok || len(object) == 0 || jsonSize(object) <= maxPieceBytes {
		return []any{value}
	}
	var all []any
	for _, piece := range pieces(object) {
		all = append(all, piece)
	}
	return all
}

func jsonSize(value any) int {
	text, _ := json.Marshal(value) // it was read from JSON
	return len(text)
}

// tooLarge tells whether a made event may be more than some peer takes: it is above
// maxPieceBytes, and larger than each event of the conflict.
func (m merge) tooLarge(event synckit.Event) bool {
	const names = 4 << 10 // room for what it has beside its data
	size := sizeOf(event)
	return size > maxPieceBytes+names && !slices.ContainsFunc(
		slices.Concat(m.local.events, m.remote.events),
		func(e synckit.EventWithVersion) bool { return sizeOf(e.Event) >= size })
}

func sizeOf(event synckit.Event) int {
	encoded, err := synckit.Encode(event)
	if err != nil {
		return 0
	}
	return len(encoded.ID) + len(encoded.Type) + len(encoded.AggregateID) + len(encoded.Data) + len(encoded.Metadata)
}
