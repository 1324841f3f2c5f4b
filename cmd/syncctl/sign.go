package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/cmd/syncctl/internal/terminal"
)

type signCommand struct {
	Query     string `arg:"" type:"bytes" help:"The GraphQL document; @FILE, or - for standard input."`
	Variables string `type:"bytes" help:"Its variables, a JSON object; @FILE, or - for standard input."`
}

// Help is shown by syncctl sign --help.
func (*signCommand) Help() string {
	return `Examples:
  syncctl sign '{ viewer { id head } }' | sh
  syncctl sign @query.graphql --variables '{"id": "greeting"}'

The command can be sent once, within five minutes.`
}

func (s *signCommand) Run(ctx context.Context, a *app) error {
	key, err := a.key(ctx)
	if err != nil {
		return err
	}
	if _, err := client.New(a.URL, key); err != nil { // the URLs that other commands take
		return &usageError{err}
	}
	body, err := s.body(ctx, a)
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
		der, err := readCertificate(ctx, a.Certificate)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+base64.StdEncoding.EncodeToString(der))
	}
	a.showRequest(req, body)
	return nil
}

func (s *signCommand) body(ctx context.Context, a *app) ([]byte, error) {
	query, err := a.content(ctx, s.Query)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(query) {
		return nil, usagef("the query is not valid UTF-8")
	}
	request := map[string]any{"query": string(query)}
	if s.Variables != "" {
		text, err := a.content(ctx, s.Variables)
		if err != nil {
			return nil, err
		}
		var variables map[string]json.RawMessage
		if err := json.Unmarshal(text, &variables); err != nil {
			return nil, usagef("--variables: %w", err)
		}
		request["variables"] = variables
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(request); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	encoded := terminal.JSON(body.Bytes())
	if len(encoded) > maxArgument {
		return encoded, nil
	}
	return bytes.TrimSpace(encoded), nil
}

// maxArgument is how long the body may be as an argument: kernels allow 128 KiB.
const maxArgument = 64 << 10

// showRequest prints what curl is to send, byte by byte: it would read brackets and
// braces of the URL as patterns, and shorten its path. Long bodies end with a line
// end, which the signature covers.
func (a *app) showRequest(req *http.Request, body []byte) {
	if a.JSON {
		flat := map[string]string{}
		for name := range req.Header {
			flat[name] = req.Header.Get(name)
		}
		a.printJSON(map[string]any{"url": req.URL.String(), "headers": flat, "body": string(body)})
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "curl -sS --globoff --path-as-is %s \\\n", posixQuote(req.URL.String()))
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		fmt.Fprintf(&b, "  -H %s \\\n", posixQuote(name+": "+req.Header.Get(name)))
	}
	if len(body) <= maxArgument {
		fmt.Fprintf(&b, "  --data-raw %s\n", posixQuote(string(body)))
	} else {
		fmt.Fprintf(&b, "  --data-binary @- <<'END_OF_BODY'\n%sEND_OF_BODY\n", body)
	}
	_, _ = io.WriteString(a.out, b.String()) // JSON, base64 and a URL: fit for a terminal
}

// posixQuote makes text one word of a POSIX shell.
func posixQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
