package config_test

import (
	"strings"
	"testing"
	"time"

	"syncline/internal/config"
)

// A value that is empty, padded or quoted says something else than whoever wrote it
// means, in each variable.
func TestTextsThatAreNotWhatTheySeem(t *testing.T) {
	good := map[string]string{
		"DATABASE_URL": "postgres://u:hidden@localhost/x", "REDIS_URL": "redis://:hidden@localhost", "SQLITE_DIR_PATH": "hidden",
		"CA_CERT": "hidden", "PUBLIC_AUTHORITIES": "hidden.example", "LISTEN_ADDRESS": ":8080",
	}
	for _, name := range config.Variables() {
		value := good[name]
		if value == "" {
			value = "hidden"
		}
		var others []string
		if strings.HasPrefix(name, "OTEL_") { // which are read where traces are on
			others = []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318"}
		}
		for _, bad := range []string{`"` + value + `"`, "'" + value, value + "\r", value + "\n", "“" + value + "”", "\t" + value, value + "\u00a0", value[:3] + "\x00" + value[3:]} {
			_, err := config.Load(append(others, name+"="+bad))
			if err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%q: %v; want it refused by its name", name, bad, err)
			} else if strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s=%q: the error shows the value: %v", name, bad, err)
			}
		}
		_, err := config.Load(append(others, name+"="))
		if len(others) > 0 { // empty is unset, says OpenTelemetry
			if err != nil {
				t.Errorf("%s may be empty: %v", name, err)
			}
			continue
		}
		switch name {
		case "ALLOWED_HEADERS", "METRICS_HOSTS", "PUBLIC_AUTHORITIES", "TRUSTED_PROXIES", "METRICS_LISTEN_ADDRESS":
			if err != nil {
				t.Errorf("%s may be empty: %v", name, err)
			}
		case "ALLOWED_ORIGINS":
		default:
			if err == nil || !strings.HasPrefix(err.Error(), name+": is set, but empty") {
				t.Errorf("%s set to nothing: %v", name, err)
			}
		}
	}
}

func TestQuotesAndBlanksThatBelong(t *testing.T) {
	for _, line := range []string{
		"DATABASE_URL=host=localhost password='a b'", "MIN_FREE_DISK=1 GiB",
		"PUBLIC_AUTHORITIES=a.example, b.example", "SQLITE_DIR_PATH=/a b/c",
	} {
		if _, err := config.Load([]string{line}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Two variables that cannot both be meant stop the start.
func TestContradictions(t *testing.T) {
	for want, lines := range map[string][]string{
		"REDIS_URL: has no meaning without DATABASE_URL":     {"REDIS_URL=redis://localhost", "SQLITE_DIR_PATH=db", "DATABASE_URI=postgres://localhost/x"},
		"TLS_CERT_FILE: has no meaning without TLS_KEY_FILE": {"TLS_CERT_FILE=a"},
		"TLS_KEY_FILE: has no meaning without TLS_CERT_FILE": {"TLS_KEY_FILE=a"},
		"TLS_CERT_FILE: has no meaning where":                {"TLS_CERT_FILE=a", "TLS_KEY_FILE=b", "LISTEN_ADDRESS=unix:/a"},
		`LISTEN_ADDRESS: "unix:a" is not unix:`:              {"LISTEN_ADDRESS=unix:a"},
		"LISTEN_ADDRESS: the path has more":                  {"LISTEN_ADDRESS=unix:/" + strings.Repeat("a", 103)},
		`LISTEN_SOCKET_MODE: "660x" is not a`:                {"LISTEN_SOCKET_MODE=660x"},
		"TRUSTED_PROXIES: unix has no meaning":               {"TRUSTED_PROXIES=unix"},
		"NONCE_STRICT: ":                                     {"NONCE_STRICT=true", "DATABASE_URL=postgres://localhost/x"},
		"CRL_URL: ":                                          {"CRL_URL=https://ca.example/revoked"},
		"REDIS_PREFIX: ":                                     {"REDIS_PREFIX={a}"},
		"DRAIN_DELAY: must be at m":                          {"DRAIN_DELAY=1h"},
	} {
		if _, err := config.Load(lines); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v; want %s", lines, err, want)
		}
	}
}

func TestNearMisses(t *testing.T) {
	for name, want := range map[string]string{
		"DATABASE_URI": "DATABASE_URL", "DATABSE_URL": "DATABASE_URL", "database_url": "DATABASE_URL", "SYNCLINE_DATABASE_URL": "DATABASE_URL",
		"REDIS_URI": "REDIS_URL", "SQLITE_DIRPATH": "SQLITE_DIR_PATH", "PUBLIC_AUTHORITY": "PUBLIC_AUTHORITIES", "LISTENADDRESS": "LISTEN_ADDRESS",
		"ALLOWED-ORIGINS": "ALLOWED_ORIGINS", "LOGLEVEL": "LOG_LEVEL",
	} {
		c, err := config.Load([]string{name + "=hidden"})
		if err != nil || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], name+" is not") || !strings.Contains(c.Warnings[0], "is "+want+" meant?") {
			t.Errorf("%s: %q, %v; want a warning that names %s", name, c.Warnings, err, want)
		} else if strings.Contains(c.Warnings[0], "hidden") {
			t.Errorf("the warning shows the value: %s", c.Warnings[0])
		}
	}
	c, err := config.Load([]string{
		"PATH=/bin", "HOME=/root", "LOG_PIPE=x", "SYNCLINE_URL=http://localhost", "SYNCLINE_KEY_FILE=key", "SYNCLINE_VERIFY=1", "SYNCLINE_PORT=tcp://10.0.0.1:8080",
		"SYNCLINE_SERVICE_HOST=10.0.0.1", "REDIS_PORT=tcp://10.0.0.2:6379", "REDIS_SERVICE_HOST=10.0.0.2", "DATABASE_PORT=5432", "LOG_LEVEL=info", "CRL=x", "SSL_CERT_FILE=x",
	})
	if err != nil || len(c.Warnings) != 0 {
		t.Errorf("names that are somebody else's: %q, %v", c.Warnings, err)
	}
}

func TestDrainDelay(t *testing.T) {
	const many = "DATABASE_URL=postgres://localhost/x"
	for want, lines := range map[time.Duration][]string{0: nil, 5 * time.Second: {many}, 2 * time.Second: {many, "DRAIN_DELAY=2s"}} {
		if c, err := config.Load(lines); err != nil || c.DrainDelay != want {
			t.Errorf("%q: %v, %v; want %v", lines, c.DrainDelay, err, want)
		}
	}
	if c, err := config.Load([]string{many, "DRAIN_DELAY=0s"}); err != nil || c.DrainDelay != 0 {
		t.Errorf("DRAIN_DELAY=0s: %v, %v", c.DrainDelay, err)
	}
}
