package redisclient

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what go-redis says by itself to a log, at level debug: whoever
// uses a client tells of its failures in better words. It holds for the process.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ *slog.Logger }

func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, args...))
}
