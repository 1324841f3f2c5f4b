package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/internal/config"
)

func TestDefaults(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenAddress != ":8080" || c.SQLiteDirPath != "db" || c.MetricsListenAddress != "" {
		t.Errorf("addresses and paths: %+v", c)
	}
	if !c.Playground || !c.Introspection || c.LogLevel != slog.LevelInfo {
		t.Errorf("switches: %+v", c)
	}
	if len(c.AllowedOrigins) != 1 || c.AllowedOrigins[0] != "*" || c.PublicAuthorities != "" {
		t.Errorf("lists: %q %q", c.AllowedOrigins, c.PublicAuthorities)
	}
	if c.FeedPollInterval != 15*time.Second || c.ConnectionMaxAge != 24*time.Hour {
		t.Errorf("durations: %+v", c)
	}
}

func TestPostgresWithoutBrokerPollsFaster(t *testing.T) {
	c, err := config.Load([]string{"DATABASE_URL=postgres://localhost/x"})
	if err != nil || c.FeedPollInterval != time.Second {
		t.Errorf("poll interval %s, error %v; want 1s", c.FeedPollInterval, err)
	}
	c, err = config.Load([]string{"DATABASE_URL=postgres://localhost/x", "FEED_POLL_INTERVAL=3s"})
	if err != nil || c.FeedPollInterval != 3*time.Second {
		t.Errorf("poll interval %s, error %v; want the one that was set", c.FeedPollInterval, err)
	}
}

func TestListsAreTrimmed(t *testing.T) {
	c, err := config.Load([]string{"ALLOWED_ORIGINS= https://a.example , https://b.example:8443,"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.AllowedOrigins, "|"); got != "https://a.example|https://b.example:8443" {
		t.Errorf("origins %q", got)
	}
}

// Pages may send what tracing and GraphQL libraries add to requests, unless the
// operator says what they may send.
func TestAllowedHeaders(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Traceparent", "Baggage", "Sentry-Trace", "Apollographql-Client-Name", "Apollo-Require-Preflight", "X-Request-Id"} {
		if !slices.Contains(c.AllowedHeaders, name) {
			t.Errorf("pages may not send %s", name)
		}
	}
	for value, want := range map[string]string{"X-App , Traceparent,": "X-App|Traceparent", "*": "*", "": ""} {
		c, err := config.Load([]string{"ALLOWED_HEADERS=" + value})
		if got := strings.Join(c.AllowedHeaders, "|"); err != nil || got != want {
			t.Errorf("%q: %q, error %v; want %q", value, got, err, want)
		}
	}
}

// The name that the port is bound by is one that it may be asked for by.
func TestMetricsHosts(t *testing.T) {
	c, err := config.Load([]string{"METRICS_LISTEN_ADDRESS=metrics.internal:9090", "METRICS_HOSTS= syncline, "})
	if got := strings.Join(c.MetricsHosts, "|"); err != nil || got != "syncline|metrics.internal" {
		t.Errorf("hosts %q, error %v", got, err)
	}
	for _, address := range []string{":9090", "[::1]:9090", "[::]:9090"} {
		c, err = config.Load([]string{"METRICS_LISTEN_ADDRESS=" + address})
		if err != nil || len(c.MetricsHosts) != 0 {
			t.Errorf("%s: hosts %q, error %v", address, c.MetricsHosts, err)
		}
	}
}

func TestRates(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.RateLimits || c.RateCost != 50_000 || c.RateBytesIn != 4<<20 || c.RateBytesOut != 16<<20 || c.RateConnects != 5 ||
		c.RateConnections != 250 || c.RateSubscriptions != 500 || c.RateAddressFactor != 4 || c.RateNewOwners != 500 {
		t.Errorf("defaults: %+v", c)
	}
	c, err = config.Load([]string{
		"RATE_LIMITS=off", "RATE_COST=0", "RATE_BYTES_IN=65536", "RATE_BYTES_OUT=64 KiB", "RATE_CONNECTS=0.5",
		"RATE_CONNECTIONS=0", "RATE_SUBSCRIPTIONS=0", "RATE_ADDRESS_FACTOR=0", "RATE_NEW_OWNERS=0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.RateLimits || c.RateCost != 0 || c.RateBytesIn != 65536 || c.RateBytesOut != 65536 || c.RateConnects != 0.5 ||
		c.RateConnections != 0 || c.RateSubscriptions != 0 || c.RateAddressFactor != 0 || c.RateNewOwners != 0 {
		t.Errorf("as set: %+v", c)
	}
}

func TestTrustedProxies(t *testing.T) {
	c, err := config.Load([]string{"TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1,,2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.TrustedProxies); got != "[10.0.0.0/8 192.0.2.1/32 2001:db8::/32]" {
		t.Errorf("proxies %s", got)
	}
	if c, err = config.Load([]string{"TRUSTED_PROXIES="}); err != nil || len(c.TrustedProxies) > 0 {
		t.Errorf("an empty list: %v, %v", c.TrustedProxies, err)
	}
}

// A bad value stops the start with one line that names its variable.
func TestBadValues(t *testing.T) {
	for _, line := range []string{
		"LISTEN_ADDRESS=8080",
		"METRICS_LISTEN_ADDRESS=nowhere",
		"METRICS_HOSTS=syncline:9090",
		"MIN_FREE_DISK=some",
		"MIN_FREE_DISK=-1",
		"METRICS_HOSTS=*",
		"PLAYGROUND=perhaps",
		"ALLOWED_ORIGINS=,",
		"ALLOWED_ORIGINS= ",
		"ALLOWED_HEADERS=X App",
		"ALLOWED_HEADERS=traceparent:",
		"INTROSPECTION=2",
		"FEED_POLL_INTERVAL=fast",
		"FEED_POLL_INTERVAL=-1s",
		"CONNECTION_MAX_AGE=0s",
		"CRL_MAX_AGE=0s",
		"SHUTDOWN_TIMEOUT=1ms",
		"DATABASE_MAX_CONNECTIONS=1",
		"MAX_OPERATIONS_PER_CONNECTION=0",
		"NONCE_MEMORY=many",
		"NONCE_MEMORY=-1",
		"MAX_CONNECTIONS=-1",
		"MEMORY_BUDGET=1MiB",
		"MEMORY_BUDGET=much",
		"SIGNATURE_RECOVERY=mine",
		"LOG_LEVEL=loud",
		"LOG_FORMAT=xml",
		"LOG_ADDRESSES=some",
		"TRUSTED_PROXIES=proxy.example",
		"TRUSTED_PROXIES=0.0.0.0/0",
		"RATE_LIMITS=perhaps",
		"RATE_COST=-1",
		"RATE_COST=1e6",
		"RATE_COST=2000000000",
		"RATE_BYTES_IN=-1",
		"RATE_BYTES_IN=4MB",
		"RATE_BYTES_OUT=MiB",
		"RATE_BYTES_OUT=9999999TiB",
		"QUOTA_RECORDS=-1",
		"QUOTA_RECORDS=1.5",
		"QUOTA_RECORDS=2000000000",
		"QUOTA_BYTES=-1",
		"QUOTA_BYTES=256MB",
		"RATE_CONNECTS=NaN",
		"RATE_CONNECTS=-0.5",
		"RATE_CONNECTS=some",
		"RATE_CONNECTIONS=-1",
		"RATE_SUBSCRIPTIONS=1.5",
		"RATE_ADDRESS_FACTOR=Inf",
		"RATE_NEW_OWNERS=-1",
		"NEW_OWNERS=nobody",
		"NEW_OWNERS=Closed",
		"NEW_OWNERS=certificate", // without CA_CERT
		"CRL_URL=https://ca.example/revoked",
		"NONCE_STRICT=true",
	} {
		name, _, _ := strings.Cut(line, "=")
		_, err := config.Load([]string{line})
		if err == nil {
			t.Errorf("%s: accepted", line)
			continue
		}
		if !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q; want one line that begins with the variable", line, err)
		}
	}
}

// OpenTelemetry's variables are checked where traces are sent. Elsewhere they may be meant for other programs.
func TestBadValuesOfTraces(t *testing.T) {
	for _, line := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=grpc://localhost",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization",
		"OTEL_EXPORTER_OTLP_HEADERS=a=%0a",
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"OTEL_TRACES_EXPORTER=console",
		"OTEL_TRACES_SAMPLER=xray",
		"OTEL_TRACES_SAMPLER_ARG=1.1",
		"OTEL_TRACES_SAMPLER_ARG=NaN",
		"OTEL_SDK_DISABLED=perhaps",
		`OTEL_SDK_DISABLED="true"`,
		`OTEL_TRACES_EXPORTER="none"`,
		`OTEL_SERVICE_NAME='syncline'`,
		"OTEL_EXPORTER_OTLP_HEADERS_FILE=/no/where",
		`OTEL_RESOURCE_ATTRIBUTES="a=b"`,
		`OTEL_BSP_MAX_QUEUE_SIZE='64'`,
	} {
		name, _, _ := strings.Cut(line, "=")
		endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			endpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318/v1/traces"
		}
		if _, err := config.Load([]string{line, endpoint}); err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line that begins with the variable", line, err)
		}
		for _, off := range []string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"} {
			if strings.HasPrefix(off, name+"=") {
				continue
			}
			if _, err := config.Load([]string{line, endpoint, off}); err != nil {
				t.Errorf("%s with %s: %v", line, off, err)
			}
		}
		if strings.HasSuffix(name, "_ENDPOINT") {
			continue
		}
		if _, err := config.Load([]string{line}); err != nil {
			t.Errorf("%s without an endpoint: %v", line, err)
		}
	}
}

// Where traces are off none of OpenTelemetry's variables says anything, whatever it is; where they are on, one that is
// empty is not set.
func TestOpenTelemetrysVariablesOfOthers(t *testing.T) {
	empty := []string{"OTEL_RESOURCE_ATTRIBUTES=", "OTEL_BSP_MAX_QUEUE_SIZE="}
	quoted := []string{`OTEL_RESOURCE_ATTRIBUTES="a"`, `OTEL_BSP_MAX_QUEUE_SIZE="many"`}
	for _, name := range config.Variables() {
		if strings.HasPrefix(name, "OTEL_") {
			empty = append(empty, name+"=")
			if !strings.HasSuffix(name, "_ENDPOINT") { // which turns traces on
				quoted = append(quoted, name+`="x y`)
			}
		}
	}
	if len(empty) < 10 {
		t.Fatalf("only %q", empty)
	}
	for _, lines := range [][]string{empty, quoted, append(quoted, "OTEL_EXPORTER_OTLP_ENDPOINT=")} {
		c, err := config.Load(lines)
		if err != nil || c.TracesURL() != "" || len(c.Warnings) > 0 {
			t.Errorf("%q: traces go to %q, %q, %v", lines, c.TracesURL(), c.Warnings, err)
		}
	}
	for endpoint, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318":        "http://localhost:4318/v1/traces",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318": "http://localhost:4318",
	} {
		c, err := config.Load(append(slices.Clone(empty), endpoint))
		if err != nil || c.TracesURL() != want || c.OTelService != "syncline" || c.OTelSampler != "parentbased_always_on" || c.TraceRatio() != 1 || len(c.TraceHeaders()) > 0 {
			t.Errorf("empty ones beside %s: %+v, %v", endpoint, c, err)
		}
		for _, off := range []string{"OTEL_SDK_DISABLED=TRUE", "OTEL_TRACES_EXPORTER=none"} {
			name, _, _ := strings.Cut(off, "=")
			others := slices.DeleteFunc(slices.Clone(quoted), func(line string) bool { return strings.HasPrefix(line, name+"=") })
			if c, err := config.Load(append(others, endpoint, off)); err != nil || c.TracesURL() != "" {
				t.Errorf("with %s: traces go to %q, %v", off, c.TracesURL(), err)
			}
		}
	}
}

// The line says what would be valid, in an operator's words.
func TestBadValuesTellGoodOnes(t *testing.T) {
	for line, want := range map[string]string{
		"PLAYGROUND=yes":                        `"yes" is not true or false`,
		"FEED_POLL_INTERVAL=5":                  `"5" is not a duration with its unit, such as 500ms`,
		"RATE_LIMITS=no":                        `"no" is neither on nor off`,
		"RATE_BYTES_IN=4MB":                     `"4MB" is not a number of bytes such as 65536, 64KiB or 256MiB`,
		"RATE_CONNECTS=some":                    `"some" is not a number`,
		"RATE_COST=-1":                          `must be from 0, which is no limit, to 1000000000`,
		"TRUSTED_PROXIES=10.0.0.0/8,nginx":      `"nginx" is not a network such as 10.0.0.0/8, nor an address`,
		"LOG_LEVEL=loud":                        `"loud" is not debug, info, warn or error`,
		"NONCE_MEMORY=many":                     `"many" is not a whole number`,
		"SIGNATURE_RECOVERY=mine":               `"mine" is not own, decred or shadow`,
		"ALLOWED_ORIGINS=*,example.com":         `"example.com" is not * or an origin as browsers send it: https://app.example`,
		"ALLOWED_ORIGINS=https://a.example/":    `"https://a.example/"`,
		"ALLOWED_ORIGINS=localhost:3000":        `"localhost:3000"`,
		"ALLOWED_ORIGINS=//a.example":           `"//a.example"`,
		"ALLOWED_ORIGINS=https://:8080":         `"https://:8080"`,
		"ALLOWED_ORIGINS=https://a.example:":    `"https://a.example:"`,
		"ALLOWED_ORIGINS=https://a.example?":    `"https://a.example?"`,
		"ALLOWED_ORIGINS=https://u@a.example":   `"https://u@a.example"`,
		"ALLOWED_ORIGINS=https://a.example:443": `without a path or the scheme's usual port`,
	} {
		if _, err := config.Load([]string{line}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", line, err, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, origin := range []string{
		"*", "null", "https://a.example", "HTTPS://A.example", "http://localhost:3000", "http://[::1]:3000",
		"https://*.a.example", "http://localhost:*", "capacitor://localhost", "https://a.example:80",
	} {
		if _, err := config.Load([]string{"ALLOWED_ORIGINS=" + origin}); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// The README's table is what operators read: it has every variable.
func TestReadmeHasEveryVariable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.Variables() {
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not mention %s", name)
		}
	}
}
