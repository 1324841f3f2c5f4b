package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/alecthomas/kong"

	"syncline/internal/commandline"
)

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command, such as: key export."`
}

func (h *helpCommand) Run(a *app) error {
	_, err := a.parser.Parse(append(slices.Clone(h.Command), "--help"))
	if err != nil && a.exited < 0 { // else it was shown
		return &usageError{err}
	}
	return nil
}

// completeCommand answers what may follow on a command line. The scripts that
// syncctl completion prints call it, with the words up to the cursor.
type completeCommand struct {
	Words []string `arg:"" optional:"" type:"bytes" passthrough:""`
}

func (c *completeCommand) Run(a *app) error { //nolint:unparam // what kong calls
	for _, candidate := range commandline.Complete(a.parser.Model.Node, c.Words, contextNames) {
		a.printf("%s\t%s\n", candidate.Word, candidate.What)
	}
	return nil
}

// contextNames is what --context may name, and the commands about contexts.
func contextNames(node *kong.Node, flag *kong.Flag) []commandline.Candidate {
	if flag == nil && (node.Parent == nil || node.Parent.Name != "context") || flag != nil && flag.Name != "context" {
		return nil
	}
	var names []commandline.Candidate
	s, _ := readSettings()
	for _, name := range slices.Sorted(maps.Keys(s.Contexts)) {
		names = append(names, commandline.Candidate{Word: name, What: s.Contexts[name].URL})
	}
	return names
}

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is shown by syncctl completion --help.
func (*completionCommand) Help() string {
	return `Examples:
  syncctl completion bash > ~/.local/share/bash-completion/completions/syncctl
  syncctl completion zsh > "${fpath[1]}/_syncctl"
  syncctl completion fish > ~/.config/fish/completions/syncctl.fish`
}

func (c *completionCommand) Run(a *app) error { //nolint:unparam // what kong calls
	_, _ = fmt.Fprint(a.out, commandline.Script(c.Shell, "syncctl"))
	return nil
}

type manCommand struct{}

// Help is shown by syncctl man --help.
func (*manCommand) Help() string {
	return `Examples:
  syncctl man | man -l -
  syncctl man > ~/.local/share/man/man1/syncctl.1`
}

func (*manCommand) Run(a *app) error { //nolint:unparam // what kong calls
	_, _ = fmt.Fprint(a.out, commandline.Manual(a.parser.Model, "Syncline from the command line"))
	return nil
}
