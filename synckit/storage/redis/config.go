package redis

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Config says where and how a Store keeps its events. Zero values stand for the
// defaults.
type Config struct {
	// URL is where Redis is, such as redis://user:password@localhost:6379/0, or rediss://
	// for TLS. It or Client is required.
	URL string
	// Client is used instead of URL: one for Cluster or Sentinel, or with settings of
	// the app's own. It stays open when the store is closed.
	Client redis.UniversalClient
	// Prefix begins the names of all keys and of the channel, in braces; empty: "synckit".
	// Stores of other prefixes can share a Redis. Letters, digits and . _ : - , up to 100.
	Prefix string
	// ReconnectInterval is how long to wait after the connection that hears of commits broke
	// before the next is made; 0: 1 second.
	ReconnectInterval time.Duration
	// PollInterval is how often a store that hears nothing looks whether it missed something;
	// at least 1 ms; 0: 15 seconds.
	PollInterval time.Duration
	// Logger gets what somebody should know; nil: nothing.
	Logger *log.Logger
	// ParseVersion reads versions of the app's own kinds. What it cannot read, and
	// all of them if it is nil, have their position as version when they are loaded.
	ParseVersion func(text string) (synckit.Version, error)
}

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "synckit")
	c.ReconnectInterval = cmp.Or(c.ReconnectInterval, time.Second)
	c.PollInterval = cmp.Or(c.PollInterval, 15*time.Second)
	if c.Logger == nil {
		c.Logger = log.New(discard{}, "", 0)
	}
	return c
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)

// connect checks the configuration.
func (c Config) connect() (redis.UniversalClient, error) {
	switch {
	case (c.URL == "") == (c.Client == nil):
		return nil, contradiction("one of URL and Client is needed")
	case c.ReconnectInterval < 0 || c.PollInterval < time.Millisecond:
		return nil, contradiction("a time is too short")
	case !prefixes.MatchString(c.Prefix):
		return nil, contradiction(fmt.Sprintf("%.120q is no prefix: letters, digits and . _ : - , up to 100", c.Prefix))
	case c.Client != nil:
		return c.Client, nil
	}
	options, err := redis.ParseURL(c.URL)
	if err != nil { // its text may have the password
		return nil, contradiction("the URL is none of Redis's: redis://user:password@host:port/database")
	}
	return redis.NewClient(options), nil
}

func contradiction(text string) error {
	return errors.New(errors.InvalidOptions, "open redis store", fmt.Errorf("%s", text))
}

// schema is the version of the keys and values.
const schema = 1

// checkServer refuses what would lose or misread events.
func (s *Store) checkServer(ctx context.Context) error {
	if _, err := s.client.HSetNX(ctx, s.keys.state(), "schema", schema).Result(); err != nil {
		return err
	}
	found, err := s.client.HGet(ctx, s.keys.state(), "schema").Int()
	if err != nil {
		return err
	}
	if found > schema {
		return errors.New(errors.Unsupported, "open redis store",
			fmt.Errorf("the log of %s is of version %d, made by a newer release; this one knows %d", s.keys.prefix, found, schema))
	}
	policy, aof := s.settings(ctx)
	if strings.HasPrefix(policy, "allkeys-") {
		return errors.New(errors.Unsupported, "open redis store",
			fmt.Errorf("its maxmemory-policy is %s, so it would evict events: noeviction keeps them", policy))
	}
	if aof == "0" {
		s.logger.Print("Redis keeps no AOF: what was stored since its last snapshot is lost when it stops")
	}
	return nil
}

// settings are what the server that has the log tells of itself; empty where nobody may ask.
func (s *Store) settings(ctx context.Context) (policy, aof string) {
	node := redis.Cmdable(s.client)
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		if master, err := cluster.MasterForKey(ctx, s.keys.log()); err == nil {
			node = master
		}
	}
	for _, section := range []string{"memory", "persistence"} {
		info, _ := node.Info(ctx, section).Result() // may be forbidden
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch name {
			case "maxmemory_policy":
				policy = value
			case "aof_enabled":
				aof = value
			}
		}
	}
	return policy, aof
}
