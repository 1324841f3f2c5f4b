package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/config"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretsInFiles(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n", "\r\n"} {
		c, err := config.Load([]string{"DATABASE_URL_FILE=" + write(t, "postgres://u:secret@h/x"+end), "REDIS_URL_FILE=" + write(t, "redis://h"+end)})
		if err != nil || c.DatabaseURL != "postgres://u:secret@h/x" || c.RedisURL != "redis://h" || len(c.Warnings) > 0 {
			t.Errorf("ended by %q: %q, %q, %v, %v", end, c.DatabaseURL, c.RedisURL, c.Warnings, err)
		}
	}
	for want, lines := range map[string][]string{
		"DATABASE_URL_FILE: open /no/where: no such file or directory": {"DATABASE_URL_FILE=/no/where"},
		"DATABASE_URL_FILE: ": {"DATABASE_URL_FILE="},
		"REDIS_URL_FILE: ":    {"REDIS_URL_FILE=" + write(t, "\n")},
		"DATABASE_URL: is set, and DATABASE_URL_FILE, too": {"DATABASE_URL=postgres://h/secret", "DATABASE_URL_FILE=" + write(t, "postgres://h/secret")},
		"DATABASE_URL: begins or ends with a blank":        {"DATABASE_URL_FILE=" + write(t, "postgres://h/secret\n\n")},
		"CA_CERT_FILE: ": {"CA_CERT_FILE=" + write(t, strings.Repeat("secret", 1<<18))},
	} {
		_, err := config.Load(lines)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: it says %q", want, err)
		}
	}
}

func TestEnvFile(t *testing.T) {
	t.Parallel()
	environ, err := config.WithEnvFile([]string{"LOG_LEVEL=error", "LISTEN_ADDRESS=:1"}, write(t, "# ours\n\nLOG_LEVEL=debug\r\n  # more\nDATABASE_URL=host=h password='a b' dbname=x\nPUBLIC_AUTHORITIES=\nREDIS_URL=redis://h/#"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(environ, "|"), "LOG_LEVEL=debug|DATABASE_URL=host=h password='a b' dbname=x|PUBLIC_AUTHORITIES=|REDIS_URL=redis://h/#|LOG_LEVEL=error|LISTEN_ADDRESS=:1"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if c, err := config.Load(environ); err != nil || c.LogLevel.String() != "ERROR" || c.ListenAddress != ":1" || !strings.HasPrefix(c.DatabaseURL, "host=h ") {
		t.Errorf("%+v, %v", c, err)
	}
	for content, want := range map[string]string{
		"A=1\nexport B=secret": "line 2: the name has blanks",
		"secret":               "line 1: it is not NAME=value",
		"=secret":              "line 1: it is not NAME=value",
		"A=1\nB=2\nA=secret":   "line 3: A is there twice",
		"LOG_LEVEL =secret":    "line 1: the name has blanks",
	} {
		if _, err := config.WithEnvFile(nil, write(t, content)); err == nil || !strings.HasPrefix(err.Error(), "env file: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: it says %q", content, err)
		}
	}
	if _, err := config.WithEnvFile(nil, "/no/where"); err == nil || !strings.Contains(err.Error(), "env file: open /no/where") {
		t.Error(err)
	}
	environ, err = config.WithEnvFile(nil, write(t, `LOG_LEVEL="debug"`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(environ); err == nil || !strings.Contains(err.Error(), "LOG_LEVEL: is in quotes") {
		t.Errorf("quotes: %v", err)
	}
}
