package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"syncline/cmd/syncctl/internal/keyfile"
)

// settings is the file with the contexts.
type settings struct {
	Current  string                  `json:"current,omitempty"`
	Contexts map[string]savedContext `json:"contexts"`
}

// savedContext is a server, and who to be there.
type savedContext struct {
	URL         string `json:"url,omitempty"`
	Key         string `json:"key,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	ClientID    string `json:"clientId,omitempty"`
}

func settingsPath() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "contexts.json"), err
}

func readSettings() (settings, error) {
	s := settings{Contexts: map[string]savedContext{}}
	path, err := settingsPath()
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if _, homeless := errors.AsType[*usageError](err); homeless || errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s settings) write() error {
	path, err := settingsPath()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return keyfile.Write(path, append(text, '\n'), true)
}

// chosenContext is the one that the flag, the variable or the settings name.
func (a *app) chosenContext() (savedContext, error) {
	s, err := readSettings()
	if err != nil {
		return savedContext{}, err
	}
	name := a.Context
	if name == "" {
		name = os.Getenv("SYNCLINE_CONTEXT")
	}
	if name == "" {
		return s.Contexts[s.Current], nil
	}
	chosen, ok := s.Contexts[name]
	if !ok {
		return chosen, usagef("there is no context %q: syncctl context list shows those that there are", name)
	}
	return chosen, nil
}

type contextCommands struct {
	Set    contextSetCommand    `cmd:"" help:"Store --url, --key, --certificate and --client-id under a name."`
	Use    contextUseCommand    `cmd:"" help:"Choose the context that commands use."`
	List   contextListCommand   `cmd:"" help:"Show all contexts."`
	Delete contextDeleteCommand `cmd:"" help:"Forget a context. Its key stays."`
}

type contextSetCommand struct {
	Name string `arg:"" help:"The context's name."`
}

// Help is shown by syncctl context set --help.
func (*contextSetCommand) Help() string {
	return `Examples:
  syncctl context set work --url https://sync.example.com/graphql --key ~/.config/syncline/work
  syncctl context use work
  syncctl --context home get greeting

Flags come first, then what --context names, then variables, then the context in use. The first context that is set is in use; what is not
given again stays as it is stored.`
}

func (c *contextSetCommand) Run(a *app) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	stored := s.Contexts[c.Name]
	s.Contexts[c.Name] = savedContext{
		URL: cmp.Or(a.given.URL, stored.URL), Key: cmp.Or(a.given.Key, stored.Key),
		Certificate: cmp.Or(a.given.Certificate, stored.Certificate), ClientID: cmp.Or(a.given.ClientID, stored.ClientID),
	}
	if len(s.Contexts) == 1 {
		s.Current = c.Name
	}
	return a.storeSettings(s, c.Name, "is stored")
}

type contextUseCommand struct {
	Name string `arg:"" help:"The context's name."`
}

func (c *contextUseCommand) Run(a *app) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if _, ok := s.Contexts[c.Name]; !ok {
		return usagef("there is no context %q", c.Name)
	}
	s.Current = c.Name
	return a.storeSettings(s, c.Name, "is in use")
}

type contextDeleteCommand struct {
	Name string `arg:"" help:"The context's name."`
}

func (c *contextDeleteCommand) Run(a *app) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if _, ok := s.Contexts[c.Name]; !ok {
		return usagef("there is no context %q", c.Name)
	}
	delete(s.Contexts, c.Name)
	if s.Current == c.Name {
		s.Current = ""
	}
	return a.storeSettings(s, c.Name, "is forgotten")
}

func (a *app) storeSettings(s settings, name, what string) error {
	if err := s.write(); err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]string{"context": name, "current": s.Current})
		return nil
	}
	a.printf("%s %s\n", name, what)
	return nil
}

type contextListCommand struct{}

func (c *contextListCommand) Run(a *app) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	rows := [][]string{{"", "NAME", "URL", "KEY"}}
	for _, name := range slices.Sorted(maps.Keys(s.Contexts)) {
		saved := s.Contexts[name]
		if a.JSON {
			a.printJSON(struct {
				Name    string `json:"name"`
				Current bool   `json:"current"`
				savedContext
			}{name, name == s.Current, saved})
			continue
		}
		mark := " "
		if name == s.Current {
			mark = "*"
		}
		rows = append(rows, []string{mark, name, saved.URL, saved.Key})
	}
	if len(rows) > 1 {
		a.showTable(rows)
	}
	return nil
}
