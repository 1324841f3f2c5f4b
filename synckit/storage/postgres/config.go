package postgres

import (
	"cmp"
	"fmt"
	"log"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Config says where and how a Store keeps its events. Zero values stand for the
// defaults.
type Config struct {
	// ConnectionString is a URL, such as postgres://user:password@localhost/name, or
	// key=value pairs; required. What PostgreSQL's own tools read from the environment and
	// from ~/.pgpass is read here, too.
	ConnectionString string
	// TableName is the table of events; empty: "events". The store's other tables
	// have names that begin with it, so stores of other names can share a database.
	TableName string
	// MaxOpenConns bounds the connections, that of LISTEN included; at least 2; 0: 25.
	MaxOpenConns int
	// ConnMaxLifetime is how long a connection is used; 0: 1 hour.
	ConnMaxLifetime time.Duration
	// ConnMaxIdleTime is how long one is kept for later; 0: 15 minutes.
	ConnMaxIdleTime time.Duration
	// ReconnectInterval is how long to wait after the connection of LISTEN broke before
	// the next is made; 0: 1 second.
	ReconnectInterval time.Duration
	// PollInterval is how often a store that hears nothing looks whether it missed something, and
	// how long that may take before it connects again; at least 1 ms; 0: 15 seconds.
	PollInterval time.Duration
	// Logger gets what somebody should know; nil: nothing.
	Logger *log.Logger
	// ParseVersion reads versions of the app's own kinds. What it cannot read, and
	// all of them if it is nil, have their position as version when they are loaded.
	ParseVersion func(text string) (synckit.Version, error)
}

// DefaultConfig is a Config with the defaults.
func DefaultConfig(connectionString string) *Config {
	return &Config{ConnectionString: connectionString}
}

const (
	defaultMaxOpenConns      = 25
	defaultConnMaxLifetime   = time.Hour
	defaultConnMaxIdleTime   = 15 * time.Minute
	defaultReconnectInterval = time.Second
	defaultPollInterval      = 15 * time.Second
	defaultTableName         = "events"
)

func (c Config) withDefaults() Config {
	c.TableName = cmp.Or(c.TableName, defaultTableName)
	c.MaxOpenConns = cmp.Or(c.MaxOpenConns, defaultMaxOpenConns)
	c.ConnMaxLifetime = cmp.Or(c.ConnMaxLifetime, defaultConnMaxLifetime)
	c.ConnMaxIdleTime = cmp.Or(c.ConnMaxIdleTime, defaultConnMaxIdleTime)
	c.ReconnectInterval = cmp.Or(c.ReconnectInterval, defaultReconnectInterval)
	c.PollInterval = cmp.Or(c.PollInterval, defaultPollInterval)
	if c.Logger == nil {
		c.Logger = log.New(discard{}, "", 0)
	}
	return c
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// tableName keeps a name from being anything else than one, with room, in PostgreSQL's 63
// bytes, for what is added to it.
var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// pool checks the configuration.
func (c Config) pool() (*pgxpool.Config, error) {
	switch {
	case c.ConnectionString == "":
		return nil, contradiction("ConnectionString is missing")
	case c.MaxOpenConns < 2:
		return nil, contradiction("MaxOpenConns is at least 2: one listens")
	case c.ConnMaxLifetime < 0 || c.ConnMaxIdleTime < 0 || c.ReconnectInterval < 0:
		return nil, contradiction("a time is negative")
	case c.PollInterval < time.Millisecond:
		return nil, contradiction("PollInterval is at least 1 ms")
	case !tableName.MatchString(c.TableName):
		return nil, contradiction(fmt.Sprintf("%.80q is no name for a table: letters, digits and _, up to 40", c.TableName))
	}
	pool, err := pgxpool.ParseConfig(c.ConnectionString)
	if err != nil { // its text leaves out the password
		return nil, contradiction(err.Error())
	}
	pool.MaxConns = int32(min(c.MaxOpenConns, 10_000)) - 1
	pool.MaxConnLifetime, pool.MaxConnIdleTime = c.ConnMaxLifetime, c.ConnMaxIdleTime
	return pool, nil
}

func contradiction(text string) error {
	return errors.New(errors.InvalidOptions, "open postgres store", fmt.Errorf("%s", text))
}
