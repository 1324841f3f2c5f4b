// Package redisclient connects to Redis as the rest of Syncline needs it: every
// call ends within the time that its context leaves it.
package redisclient

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"syncline/internal/serverurl"
)

// How long a client waits, unless the URL says otherwise. What the adapters
// allow for a call may be less, never more.
const (
	dialTimeout = time.Second
	ioTimeout   = 2 * time.Second
	poolTimeout = time.Second
)

// clusterReload is how old a client's map of a cluster may be. A node that is
// gone cannot say who took its place, and go-redis asks the others only then.
const clusterReload = time.Second

// clientName is what Redis lists our connections as.
const clientName = "syncline"

// Open makes a client of the Redis that a URL names. It does not connect yet.
// An error tells of the URL, without its password.
//
//	redis://[[user]:password@]host:port[/database]
//	redis-cluster://[[user]:password@]host:port?addr=host:port&addr=...
//	redis-sentinel://[[user]:password@]host:port[/database]?master_name=name&addr=host:port&addr=...
//
// With rediss, rediss-cluster and rediss-sentinel the connections are encrypted
// and the server's certificate is verified by the system's authorities, or those
// of the file that SSL_CERT_FILE names. host:port names one of the cluster's nodes or of the
// sentinels, each addr one more. All parameters of go-redis may be added.
func Open(rawURL string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, errors.New("redis: the URL has no scheme, such as redis://")
	}
	if err := serverurl.CheckPassword(rawURL, "/?#"); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	client, err := open(scheme, rest)
	if err != nil {
		return nil, withoutURL(err)
	}
	return client, nil
}

func open(scheme, rest string) (redis.UniversalClient, error) {
	transport, kind, _ := strings.Cut(scheme, "-")
	if transport != "redis" && transport != "rediss" {
		kind = scheme
	}
	address := transport + "://" + rest
	switch kind {
	case "":
		return openSingle(address)
	case "cluster":
		return openCluster(address)
	case "sentinel":
		return openSentinel(address)
	default:
		return nil, fmt.Errorf("redis: unknown scheme %q, want redis, redis-cluster or redis-sentinel, or rediss for TLS", scheme)
	}
}

func openSingle(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, err
	}
	limit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1 // a retry hides whether the first try was carried out
	o.DialerRetries = 1
	o.ClientName = clientName
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

func openCluster(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(address)
	if err != nil {
		return nil, err
	}
	limit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ClientName = clientName
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ClusterStateReloadInterval = clusterReload
	return redis.NewClusterClient(o), nil
}

func openSentinel(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(address)
	if err != nil {
		return nil, err
	}
	if o.MasterName == "" {
		return nil, errors.New("redis: a redis-sentinel URL needs ?master_name=")
	}
	limit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ClientName = clientName
	return redis.NewFailoverClient(o), nil
}

func limit(dial, read, write, pool *time.Duration) {
	for _, d := range []struct {
		set   *time.Duration
		value time.Duration
	}{{dial, dialTimeout}, {read, ioTimeout}, {write, ioTimeout}, {pool, poolTimeout}} {
		if *d.set == 0 {
			*d.set = d.value
		}
	}
}

// withoutURL keeps passwords out of logs: an url.Error quotes what it could not
// read, in part or whole.
func withoutURL(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New("redis: this is not a URL; a password in it must be percent-encoded")
	}
	return err
}
