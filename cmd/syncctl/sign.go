package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncline/auth/signing"
)

type signCommand struct {
	Query     string `arg:"" help:"The GraphQL document; @FILE, or - for standard input."`
	Variables string `help:"Its variables, a JSON object."`
}

// Help is shown by syncctl sign --help.
func (*signCommand) Help() string {
	return `Examples:
  syncctl sign '{ viewer { id head } }' | sh
  syncctl sign @query.graphql --variables '{"id": "greeting"}'

The command can be sent once, within five minutes.`
}

func (s *signCommand) Run(ctx context.Context, a *app) error {
	key, err := readKey(a.Key)
	if err != nil {
		return err
	}
	body, err := s.body(a)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL, bytes.NewReader(body))
	if err != nil {
		return &usageError{err}
	}
	if err := signing.SignRequest(req, body, key, time.Now(), signing.NewNonce()); err != nil {
		return &usageError{err}
	}
	req.Header.Set("Content-Type", "application/json")
	if a.Certificate != "" {
		der, err := readCertificate(a.Certificate)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+base64.StdEncoding.EncodeToString(der))
	}
	a.showRequest(req.Header, body)
	return nil
}

func (s *signCommand) body(a *app) ([]byte, error) {
	query, err := a.argument(s.Query)
	if err != nil {
		return nil, err
	}
	request := map[string]any{"query": string(query)}
	if s.Variables != "" {
		var variables map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s.Variables), &variables); err != nil {
			return nil, usagef("--variables: %w", err)
		}
		request["variables"] = variables
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err = enc.Encode(request)
	return bytes.TrimSpace(body.Bytes()), err
}

func (a *app) showRequest(header http.Header, body []byte) {
	if a.JSON {
		flat := map[string]string{}
		for name := range header {
			flat[name] = header.Get(name)
		}
		a.printJSON(map[string]any{"url": a.URL, "headers": flat, "body": string(body)})
		return
	}
	a.printf("curl -sS %s \\\n", shellQuote(a.URL))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		a.printf("  -H %s \\\n", shellQuote(name+": "+header.Get(name)))
	}
	a.printf("  --data-raw %s\n", shellQuote(string(body)))
}

// shellQuote makes text one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
