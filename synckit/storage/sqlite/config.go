package sqlite

import (
	"fmt"
	"log"
	"regexp"
	"strings"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Config says where and how a Store keeps its events. Zero values stand for the
// defaults.
type Config struct {
	// DataSourceName is a file's path or URI, such as "file:events.db"; required.
	// ":memory:" keeps everything in memory. Settings of SQLite may follow after ?.
	// In a URI a ? or # that is part of the path is written %3f or %23.
	DataSourceName string
	// EnableWAL is how it is unless DisableWAL is set: readers go on beside the
	// writer.
	EnableWAL bool
	// DisableWAL keeps a rollback journal instead, for file systems on which a
	// write-ahead log does not work, such as those of a network.
	DisableWAL bool
	// MaxOpenConns bounds the connections, the writer's included; 0: 25.
	MaxOpenConns int
	// MaxIdleConns bounds those kept open for later; 0: 5.
	MaxIdleConns int
	// ConnMaxLifetime is how long a connection is used; 0: 1 hour.
	ConnMaxLifetime time.Duration
	// ConnMaxIdleTime is how long one is kept for later; 0: 5 minutes.
	ConnMaxIdleTime time.Duration
	// TableName is the table of events; empty: "events". The store's other tables
	// have names that begin with it, so stores of other names can share a file.
	TableName string
	// Logger gets what somebody should know; nil: nothing.
	Logger *log.Logger
	// ParseVersion reads versions of the app's own kinds. What it cannot read, and
	// all of them if it is nil, have their position as version when they are loaded.
	ParseVersion func(text string) (synckit.Version, error)
}

const (
	defaultMaxOpenConns    = 25
	defaultMaxIdleConns    = 5
	defaultConnMaxLifetime = time.Hour
	defaultConnMaxIdleTime = 5 * time.Minute
	defaultTableName       = "events"
)

func (c Config) withDefaults() Config {
	orDefault(&c.MaxOpenConns, defaultMaxOpenConns)
	orDefault(&c.MaxIdleConns, defaultMaxIdleConns)
	orDefault(&c.ConnMaxLifetime, defaultConnMaxLifetime)
	orDefault(&c.ConnMaxIdleTime, defaultConnMaxIdleTime)
	orDefault(&c.TableName, defaultTableName)
	orDefault(&c.Logger, log.New(discard{}, "", 0))
	return c
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func orDefault[T comparable](value *T, byDefault T) {
	var zero T
	if *value == zero {
		*value = byDefault
	}
}

// tableName keeps a name from being anything else than one, with room for what
// is added to it.
var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func (c Config) check() error {
	switch {
	case c.DataSourceName == "":
		return contradiction("DataSourceName is missing")
	case strings.HasPrefix(c.DataSourceName, "file:") && strings.Contains(c.DataSourceName, "#"):
		return contradiction(fmt.Sprintf("%.200q: SQLite leaves out what comes after # in a URI; write %%23", c.DataSourceName))
	case !settings(c.DataSourceName):
		return contradiction(fmt.Sprintf("%.200q: what comes after ? are no settings; for a file of that name write file: and %%3f", c.DataSourceName))
	case c.EnableWAL && c.DisableWAL:
		return contradiction("EnableWAL and DisableWAL contradict each other")
	case c.MaxOpenConns < 0 || c.MaxIdleConns < 0:
		return contradiction("a number of connections is negative")
	case c.ConnMaxLifetime < 0 || c.ConnMaxIdleTime < 0:
		return contradiction("a connection's time is negative")
	case !tableName.MatchString(c.TableName) || strings.HasPrefix(strings.ToLower(c.TableName), "sqlite_"):
		return contradiction(fmt.Sprintf("%.80q is no name for a table: letters, digits and _, up to 64, not sqlite_", c.TableName))
	}
	return nil
}

// setting is one that SQLite or its driver knows, as name=value.
var setting = regexp.MustCompile(`^(_[a-z_]+|mode|cache|vfs|psow|nolock|immutable|modeof)=`)

// settings tells whether what follows the path, after ?, are settings.
func settings(dataSourceName string) bool {
	_, query, has := strings.Cut(dataSourceName, "?")
	for _, one := range strings.Split(query, "&") {
		if has && one != "" && !setting.MatchString(one) {
			return false
		}
	}
	return true
}

func contradiction(text string) error {
	return errors.New(errors.InvalidOptions, "open sqlite store", fmt.Errorf("%s", text))
}
