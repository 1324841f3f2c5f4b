// Package config reads the server's configuration from the environment.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"syncline/auth/recovery/guarded"
	"syncline/internal/clientaddr"
)

// Config is how a server is to run. The README's table says what each variable
// means to an operator.
type Config struct {
	ListenAddress string `env:"LISTEN_ADDRESS" envDefault:":8080"`
	// ListenSocketMode says who may connect, where LISTEN_ADDRESS is unix:/path.
	ListenSocketMode Mode `env:"LISTEN_SOCKET_MODE" envDefault:"0660"`
	// TLSCertFile and TLSKeyFile have all listeners of clients speak TLS.
	TLSCertFile          string `env:"TLS_CERT_FILE"`
	TLSKeyFile           string `env:"TLS_KEY_FILE"`
	MetricsListenAddress string `env:"METRICS_LISTEN_ADDRESS"`
	// MetricsHosts are names under which the figures may be asked for, without a port.
	MetricsHosts []string `env:"METRICS_HOSTS"`

	SQLiteDirPath string `env:"SQLITE_DIR_PATH" envDefault:"db"`
	// MinFreeDisk is below how many free bytes SQLite takes no growth.
	MinFreeDisk Size   `env:"MIN_FREE_DISK" envDefault:"256MiB"`
	DatabaseURL string `env:"DATABASE_URL"`
	RedisURL    string `env:"REDIS_URL"`
	// RedisPrefix begins the names of all keys and channels in Redis.
	RedisPrefix string `env:"REDIS_PREFIX" envDefault:"syncline"`
	// DatabaseMaxConnections bounds this instance's connections to PostgreSQL.
	DatabaseMaxConnections int `env:"DATABASE_MAX_CONNECTIONS" envDefault:"16"`

	CACert string `env:"CA_CERT"`
	CRLURL string `env:"CRL_URL"`
	// CRLMaxAge is how old the list of revoked certificates may become.
	CRLMaxAge time.Duration `env:"CRL_MAX_AGE" envDefault:"24h"`

	AllowedOrigins    []string `env:"ALLOWED_ORIGINS" envDefault:"*"`
	PublicAuthorities string   `env:"PUBLIC_AUTHORITIES"`
	// TrustedProxies may say which client a request comes from.
	TrustedProxies clientaddr.Proxies `env:"TRUSTED_PROXIES"`
	// AllowedHeaders are request headers that pages may send beside those of the protocol.
	AllowedHeaders []string `env:"ALLOWED_HEADERS"`

	Playground    bool `env:"PLAYGROUND" envDefault:"true"`
	Introspection bool `env:"INTROSPECTION" envDefault:"true"`

	// FeedPollInterval bounds how late a live feed may be when a hint was lost.
	FeedPollInterval time.Duration `env:"FEED_POLL_INTERVAL"`
	// ConnectionMaxAge is when a WebSocket is closed, so that its client signs again.
	ConnectionMaxAge           time.Duration `env:"CONNECTION_MAX_AGE" envDefault:"24h"`
	MaxOperationsPerConnection int           `env:"MAX_OPERATIONS_PER_CONNECTION" envDefault:"100"`
	// MaxConnections bounds those of clients; 0: by the memory and the file
	// descriptors that the process may have.
	MaxConnections int `env:"MAX_CONNECTIONS"`
	// NonceMemory is how many nonces are remembered; 0: 4,000,000, or less by memory.
	NonceMemory int `env:"NONCE_MEMORY"`
	// NonceStrict refuses signed requests while Redis is away.
	NonceStrict bool `env:"NONCE_STRICT" envDefault:"false"`

	// RateLimits turns off all limits that follow.
	RateLimits Switch `env:"RATE_LIMITS" envDefault:"on"`
	// What an owner may take a second.
	RateCost     int     `env:"RATE_COST" envDefault:"50000"`
	RateBytesIn  Size    `env:"RATE_BYTES_IN" envDefault:"4MiB"`
	RateBytesOut Size    `env:"RATE_BYTES_OUT" envDefault:"16MiB"`
	RateConnects float64 `env:"RATE_CONNECTS" envDefault:"5"`
	// What an owner may have open.
	RateConnections   int `env:"RATE_CONNECTIONS" envDefault:"250"`
	RateSubscriptions int `env:"RATE_SUBSCRIPTIONS" envDefault:"500"`
	// RateAddressFactor is how many times as much an address may have.
	RateAddressFactor float64 `env:"RATE_ADDRESS_FACTOR" envDefault:"4"`
	// RateNewOwners is how many owners may begin at an address an hour.
	RateNewOwners int `env:"RATE_NEW_OWNERS" envDefault:"500"`

	// MemoryBudget is what requests and answers in flight may hold together; 0: a
	// quarter of the memory that the process may use.
	MemoryBudget Size `env:"MEMORY_BUDGET"`

	// SignatureRecovery says who recovers public keys from signatures.
	SignatureRecovery guarded.Mode `env:"SIGNATURE_RECOVERY" envDefault:"own"`

	// QuotaRecords and QuotaBytes are what an owner may keep; 0 is no bound.
	QuotaRecords int  `env:"QUOTA_RECORDS" envDefault:"100000"`
	QuotaBytes   Size `env:"QUOTA_BYTES" envDefault:"256MiB"`

	// NewOwners says who may become an owner.
	NewOwners NewOwners `env:"NEW_OWNERS" envDefault:"open"`

	// TombstoneRetention and MutationRetention are for how long deletes and mutation
	// ids are remembered.
	TombstoneRetention Retention `env:"TOMBSTONE_RETENTION" envDefault:"90d"`
	MutationRetention  Retention `env:"MUTATION_RETENTION" envDefault:"30d"`

	// BreezCompatibility serves the clients of Breez data-sync.
	BreezCompatibility bool `env:"BREEZ_COMPATIBILITY" envDefault:"false"`
	// GRPCListenAddress and GRPCWebListenAddress serve them alone.
	GRPCListenAddress    string `env:"GRPC_LISTEN_ADDRESS"`
	GRPCWebListenAddress string `env:"GRPC_WEB_LISTEN_ADDRESS"`

	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s"`
	// DrainDelay is how long a stopping instance serves on while it is not ready.
	DrainDelay   time.Duration `env:"DRAIN_DELAY"`
	LogLevel     slog.Level    `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat    LogFormat     `env:"LOG_FORMAT" envDefault:"text"`
	LogAddresses bool          `env:"LOG_ADDRESSES" envDefault:"true"`

	// Where traces go, by the names that OpenTelemetry has given: see TracesURL.
	OTelEndpoint       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	OTelTracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"`
	OTelHeaders        string `env:"OTEL_EXPORTER_OTLP_HEADERS"`
	OTelProtocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"`
	OTelExporter       string `env:"OTEL_TRACES_EXPORTER" envDefault:"otlp"`
	OTelSampler        string `env:"OTEL_TRACES_SAMPLER" envDefault:"parentbased_always_on"`
	OTelSamplerArg     string `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1"`
	OTelService        string `env:"OTEL_SERVICE_NAME" envDefault:"syncline"`
	OTelDisabled       bool   `env:"OTEL_SDK_DISABLED" envDefault:"false"`

	// Warnings are what an operator should know of the environment, one line each.
	Warnings []string
}

// LogFormat is how log lines look.
type LogFormat string

// The formats of log lines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Load reads the configuration from environ, lines of NAME=value as os.Environ
// gives them. The error is one line that names the first bad variable.
func Load(environ []string) (Config, error) {
	var c Config
	environment := env.ToMap(environ)
	settleTraces(environment)
	if err := checkTexts(environment); err != nil { // names of files, too
		return Config{}, err
	}
	if err := readSecrets(environment); err != nil {
		return Config{}, err
	}
	if err := checkTexts(environment); err != nil {
		return Config{}, err
	}
	c.Warnings = nearMisses(environment)
	if err := env.ParseWithOptions(&c, env.Options{Environment: environment}); err != nil {
		return Config{}, oneLine(err, environment)
	}
	c.AllowedOrigins = trim(c.AllowedOrigins)
	if _, set := environment["ALLOWED_HEADERS"]; !set {
		c.AllowedHeaders = commonHeaders
	}
	c.AllowedHeaders = trim(c.AllowedHeaders)
	c.MetricsHosts = trim(c.MetricsHosts)
	if host, _, err := net.SplitHostPort(c.MetricsListenAddress); err == nil && host != "" && !strings.Contains(host, ":") { // IPv6 addresses are let in anyway
		c.MetricsHosts = append(c.MetricsHosts, host)
	}
	if c.FeedPollInterval == 0 {
		c.FeedPollInterval = defaultPollInterval(c)
	}
	if _, set := environment["DRAIN_DELAY"]; !set && c.DatabaseURL != "" {
		c.DrainDelay = siblingsDrainDelay
	}
	if _, set := environment["SQLITE_DIR_PATH"]; set && c.DatabaseURL != "" {
		c.Warnings = append(c.Warnings, "SQLITE_DIR_PATH is not used: DATABASE_URL is set")
	}
	return c, c.check()
}

// siblingsDrainDelay is how long balancers take, as a rule, to see that an instance
// among others is not ready any more.
const siblingsDrainDelay = 5 * time.Second

// defaultPollInterval is short where no broker tells one instance of another's writes.
func defaultPollInterval(c Config) time.Duration {
	if c.DatabaseURL != "" && c.RedisURL == "" {
		return time.Second
	}
	return 15 * time.Second
}

func (c Config) check() error {
	if err := c.checkListener(); err != nil {
		return err
	}
	for _, a := range []struct{ name, address string }{
		{"METRICS_LISTEN_ADDRESS", c.MetricsListenAddress},
		{"GRPC_LISTEN_ADDRESS", c.GRPCListenAddress},
		{"GRPC_WEB_LISTEN_ADDRESS", c.GRPCWebListenAddress},
	} {
		if _, _, err := net.SplitHostPort(a.address); a.address != "" && err != nil {
			return fmt.Errorf("%s: %q is not host:port or :port", a.name, a.address)
		}
	}
	for _, d := range []struct {
		name    string
		value   time.Duration
		minimum time.Duration
	}{
		{"FEED_POLL_INTERVAL", c.FeedPollInterval, 10 * time.Millisecond},
		{"CONNECTION_MAX_AGE", c.ConnectionMaxAge, time.Second},
		{"CRL_MAX_AGE", c.CRLMaxAge, time.Minute},
		{"SHUTDOWN_TIMEOUT", c.ShutdownTimeout, time.Second},
		{"DRAIN_DELAY", c.DrainDelay, 0},
	} {
		if d.value < d.minimum {
			return fmt.Errorf("%s: must be at least %s", d.name, d.minimum)
		}
	}
	for _, s := range c.MetricsHosts {
		if strings.ContainsAny(s, ":/*@ ") {
			return fmt.Errorf("METRICS_HOSTS: %q is not a name, such as syncline or metrics.internal, without a port", s)
		}
	}
	for _, s := range c.AllowedOrigins {
		if !isOrigin(s) {
			return fmt.Errorf("ALLOWED_ORIGINS: %q is not * or an origin as browsers send it: https://app.example, or http://localhost:3000, without a path or the scheme's usual port", s)
		}
	}
	for _, s := range c.AllowedHeaders {
		if s != "*" && !isHeaderName(s) {
			return fmt.Errorf("ALLOWED_HEADERS: %q is not * or the name of a header, such as traceparent", s)
		}
	}
	for _, r := range []struct {
		name  string
		value float64
	}{
		{"QUOTA_RECORDS", float64(c.QuotaRecords)},
		{"RATE_COST", float64(c.RateCost)},
		{"RATE_CONNECTS", c.RateConnects},
		{"RATE_CONNECTIONS", float64(c.RateConnections)},
		{"RATE_SUBSCRIPTIONS", float64(c.RateSubscriptions)},
		{"RATE_ADDRESS_FACTOR", c.RateAddressFactor},
		{"RATE_NEW_OWNERS", float64(c.RateNewOwners)},
	} {
		if !(r.value >= 0 && r.value <= maxRate) { // NaN is neither
			return fmt.Errorf("%s: must be from 0, which is no limit, to %d", r.name, maxRate)
		}
	}
	if err := c.checkTraces(); err != nil {
		return err
	}
	return c.checkRest()
}

// maxDrainDelay is more than any balancer needs, and less than what keeps a
// deployment from ending.
const maxDrainDelay = 10 * time.Minute

// maxRate is more than any machine can do.
const maxRate = 1_000_000_000

// minMemoryBudget is enough for one request of any kind.
const minMemoryBudget = 16 << 20

func (c Config) checkRest() error {
	switch {
	case len(c.AllowedOrigins) == 0: // which must not become every origin
		return errors.New("ALLOWED_ORIGINS: names no origin")
	case c.DatabaseMaxConnections < 2: // one for a write that waits, one for those who read
		return errors.New("DATABASE_MAX_CONNECTIONS: must be at least 2")
	case c.MaxOperationsPerConnection < 1:
		return errors.New("MAX_OPERATIONS_PER_CONNECTION: must be at least 1")
	case c.MemoryBudget != 0 && c.MemoryBudget < minMemoryBudget:
		return errors.New("MEMORY_BUDGET: must be at least 16MiB, of which one large answer takes up to 12")
	case c.MaxConnections < 0:
		return errors.New("MAX_CONNECTIONS: must be at least 1, or 0 for as many as memory and file descriptors allow")
	case c.NonceMemory < 0:
		return errors.New("NONCE_MEMORY: must be at least 1, or 0 for as many as memory allows, up to 4000000")
	case c.LogFormat != LogText && c.LogFormat != LogJSON:
		return fmt.Errorf("LOG_FORMAT: %q is neither text nor json", c.LogFormat)
	case c.NewOwners == OwnersCertificate && c.CACert == "":
		return errors.New("NEW_OWNERS: certificate has no meaning without CA_CERT")
	case c.CRLURL != "" && c.CACert == "":
		return errors.New("CRL_URL: has no meaning without CA_CERT")
	case c.CRLURL != "" && !isHTTP(c.CRLURL):
		return errors.New("CRL_URL: must be an http or https URL")
	case c.RedisURL != "" && c.DatabaseURL == "":
		return errors.New("REDIS_URL: has no meaning without DATABASE_URL: instances that share Redis share a PostgreSQL, too")
	case !isPrefix(c.RedisPrefix):
		return fmt.Errorf("REDIS_PREFIX: %q is not 1 to 64 letters, digits, dots, colons, - and _", c.RedisPrefix)
	case c.DrainDelay > maxDrainDelay:
		return fmt.Errorf("DRAIN_DELAY: must be at most %s", maxDrainDelay)
	case !c.BreezCompatibility && c.GRPCListenAddress != "":
		return errors.New("GRPC_LISTEN_ADDRESS: has no meaning without BREEZ_COMPATIBILITY=true")
	case !c.BreezCompatibility && c.GRPCWebListenAddress != "":
		return errors.New("GRPC_WEB_LISTEN_ADDRESS: has no meaning without BREEZ_COMPATIBILITY=true")
	case c.NonceStrict && c.RedisURL == "":
		return errors.New("NONCE_STRICT: has no meaning without REDIS_URL")
	}
	return nil
}

// isPrefix leaves out braces, which say in a cluster which keys belong together, and
// what patterns are made of.
func isPrefix(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_") == ""
}

// isOrigin tells whether a list's entry can match what a browser sends. One *
// may stand for a part of it; pages without an origin of their own send null.
func isOrigin(entry string) bool {
	if entry == "*" || entry == "null" {
		return true
	}
	origin := strings.Replace(entry, "*", "1", 1)
	u, err := url.Parse(origin)
	usual := map[string]string{"http": "80", "https": "443"}
	return err == nil && u.Scheme != "" && u.Hostname() != "" && u.User == nil &&
		strings.EqualFold(origin, u.Scheme+"://"+u.Host) && !strings.HasSuffix(origin, ":") &&
		(u.Port() == "" || u.Port() != usual[u.Scheme]) && !strings.Contains(origin, "*")
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func trim(list []string) []string {
	var kept []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}
