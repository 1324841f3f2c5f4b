package record

import (
	"errors"
	"strconv"

	"syncline/internal/input"
)

// Limits of what is stored. Those of text count bytes of UTF-8.
const (
	MaxIDBytes            = 64
	MaxDataBytes          = 64 << 10
	MaxSchemaVersionBytes = 15
	MaxClientIDBytes      = 64
	MaxMutationIDBytes    = 64
	MaxLockNameBytes      = 256
	MaxBatch              = 100     // writes of a request, ids of a read
	MaxPage               = 1000    // records
	MaxPageBytes          = 4 << 20 // decoded data of a page
)

// InvalidError says which input is not acceptable, and why. Its Field is a
// dotted path below the operation's argument: writes.3.set.id.
type InvalidError = input.Error

func invalid(field, format string, args ...any) error {
	return input.Errorf(field, format, args...)
}

func validate(r Request) error {
	if r.Kind == KindBatch && (len(r.Writes) < 1 || len(r.Writes) > MaxBatch) {
		return invalid("writes", "must be 1 to %d writes", MaxBatch)
	}
	if r.Kind != KindBatch && len(r.Writes) != 1 {
		return errors.New("record: a set or delete is one write")
	}
	seen := make(map[string]bool, len(r.Writes))
	for i, w := range r.Writes {
		prefix := fieldPrefix(r.Kind, i, w)
		if err := validateWrite(prefix, w); err != nil {
			return err
		}
		if seen[w.ID] {
			return invalid(prefix+"id", "each record may stand in a batch once")
		}
		seen[w.ID] = true
	}
	return validateEnvelope(r)
}

func fieldPrefix(kind Kind, i int, w Write) string {
	if kind != KindBatch {
		return ""
	}
	if w.Delete {
		return "writes." + strconv.Itoa(i) + ".delete."
	}
	return "writes." + strconv.Itoa(i) + ".set."
}

func validateWrite(prefix string, w Write) error {
	if err := validateID(prefix+"id", w.ID); err != nil {
		return err
	}
	if len(w.Data) > MaxDataBytes {
		return invalid(prefix+"data", "must be at most %d bytes", MaxDataBytes)
	}
	if w.Revision < 0 || w.Revision > MaxRevision {
		return invalid(prefix+"revision", "must be 0 to %d", MaxRevision)
	}
	return input.Text(prefix+"schemaVersion", w.SchemaVersion, 0, MaxSchemaVersionBytes)
}

// Check tells whether a record could have been written: it is for those that come
// from elsewhere than a write. The error is an *InvalidError.
func Check(r Record) error {
	if err := validateWrite("", Write{ID: r.ID, Data: r.Data, SchemaVersion: r.SchemaVersion, Revision: r.Revision}); err != nil {
		return err
	}
	return input.Text("clientId", r.ClientID, 0, MaxClientIDBytes)
}

func validateEnvelope(r Request) error {
	if r.ClientID != nil {
		if err := input.Text("clientId", *r.ClientID, 1, MaxClientIDBytes); err != nil {
			return err
		}
	}
	if r.MutationID != nil {
		if err := input.Text("mutationId", *r.MutationID, 1, MaxMutationIDBytes); err != nil {
			return err
		}
	}
	if r.Fence != nil {
		return input.Text("fence.lock", r.Fence.Lock, 1, MaxLockNameBytes)
	}
	return nil
}

func validateID(field, id string) error {
	return input.Text(field, id, 1, MaxIDBytes)
}

func validateIDs(ids []string) error {
	if len(ids) > MaxBatch {
		return invalid("ids", "must be at most %d ids", MaxBatch)
	}
	for i, id := range ids {
		if err := validateID("ids."+strconv.Itoa(i), id); err != nil {
			return err
		}
	}
	return nil
}
