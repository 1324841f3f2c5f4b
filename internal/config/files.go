package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// secrets are variables whose value may be in a file that NAME_FILE names, as
// orchestrators hand secrets out: an environment is seen by more than its process.
var secrets = []string{"DATABASE_URL", "REDIS_URL", "CA_CERT", "CRL_URL", "OTEL_EXPORTER_OTLP_HEADERS"}

const fileSuffix = "_FILE"

// maxFile is more than any value takes.
const maxFile = 1 << 20

// readSecrets fills in what is in files. One line's end at the end of a file is no
// part of the value: editors add it.
func readSecrets(environment map[string]string) error {
	for _, name := range secrets {
		path, set := environment[name+fileSuffix]
		if !set {
			continue
		}
		if _, twice := environment[name]; twice {
			return fmt.Errorf("%s: is set, and %s, too: which one is meant?", name, name+fileSuffix)
		}
		value, err := readSmall(path)
		if err != nil {
			return fmt.Errorf("%s: %w", name+fileSuffix, err)
		}
		value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
		if value == "" {
			return fmt.Errorf("%s: %s is empty", name+fileSuffix, path)
		}
		environment[name] = value
	}
	return nil
}

func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("%s has more than 1 MiB", path)
	}
	return string(content), nil
}

// WithEnvFile adds to environ the variables of a file: a line NAME=value each, as
// docker and systemd read them, but for quotes, which are refused. Lines that are
// empty or begin with # are skipped. What environ has already goes before.
func WithEnvFile(environ []string, path string) ([]string, error) {
	content, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("env file: %w", err)
	}
	var names, lines []string
	for i, text := range strings.Split(content, "\n") {
		text = strings.TrimSuffix(text, "\r")
		if trimmed := strings.TrimSpace(text); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, err := envName(text)
		if err == nil && slices.Contains(names, name) {
			err = fmt.Errorf("%s is there twice", name)
		}
		if err != nil {
			return nil, fmt.Errorf("env file: %s: line %d: %w", path, i+1, err)
		}
		names, lines = append(names, name), append(lines, text)
	}
	return append(lines, environ...), nil // of two, the later one counts
}

// envName does not show the line, which may have a secret.
func envName(line string) (string, error) {
	name, _, ok := strings.Cut(line, "=")
	if !ok || name == "" {
		return "", errors.New("it is not NAME=value")
	}
	if strings.ContainsAny(name, " \t\"'$") {
		return "", errors.New("the name has blanks, quotes or $ in it: write NAME=value, without export")
	}
	return name, nil
}
