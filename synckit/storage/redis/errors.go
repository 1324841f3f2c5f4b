package redis

import (
	stderrors "errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"syncline/synckit/errors"
)

// causes name what an operator can mend, in an error's metadata, by the word with which
// Redis begins its errors.
var causes = map[string]string{
	"OOM":         "Redis has no memory left",
	"MISCONF":     "Redis cannot write to its disk",
	"READONLY":    "Redis is a replica, or read-only",
	"NOAUTH":      "the password is missing",
	"WRONGPASS":   "the user or the password is wrong",
	"NOPERM":      "the user may not do that",
	"CLUSTERDOWN": "the cluster is down",
	"LOADING":     "Redis is starting",
	"MASTERDOWN":  "the primary is away",
	"NOREPLICAS":  "Redis has fewer replicas than it wants",
}

// coded leaves errors that have a code as they are.
func coded(op string, err error) error {
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	metadata := errors.Metadata{}
	if told, ok := stderrors.AsType[redis.Error](err); ok {
		word, _, _ := strings.Cut(told.Error(), " ")
		if cause, known := causes[strings.TrimPrefix(word, "-")]; known {
			metadata["cause"] = cause
		}
	}
	return errors.New(errors.StorageFailed, op, err, metadata)
}
