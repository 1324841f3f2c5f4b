package command

import (
	"slices"

	"syncline/internal/commandline"
)

type versionCommand struct{}

func (*versionCommand) Run(l *line) error {
	return l.printf("syncline %s\n", commandline.Version())
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command, such as: new-epoch."`
}

func (h *helpCommand) Run(l *line) error {
	_, err := l.parser.Parse(append(slices.Clone(h.Command), "--help"))
	if err != nil && l.exited < 0 { // else it was shown
		return usageError{err}
	}
	return nil
}

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is shown by syncline completion --help.
func (*completionCommand) Help() string {
	return `Examples:
  syncline completion bash > ~/.local/share/bash-completion/completions/syncline
  syncline completion zsh > "${fpath[1]}/_syncline"
  syncline completion fish > ~/.config/fish/completions/syncline.fish`
}

func (c *completionCommand) Run(l *line) error {
	return l.printf("%s", commandline.Script(c.Shell, "syncline"))
}

type manCommand struct{}

// Help is shown by syncline man --help.
func (*manCommand) Help() string {
	return `Examples:
  syncline man | man -l -
  syncline man > ~/.local/share/man/man1/syncline.1`
}

func (*manCommand) Run(l *line) error {
	return l.printf("%s", commandline.Manual(l.parser.Model, "a GraphQL sync service"))
}

// completeCommand answers what may follow on a command line. The scripts that
// syncline completion prints call it, with the words up to the cursor.
type completeCommand struct {
	Words []string `arg:"" optional:"" type:"bytes" passthrough:""`
}

func (c *completeCommand) Run(l *line) error {
	for _, candidate := range commandline.Complete(l.parser.Model.Node, c.Words, nil) {
		if err := l.printf("%s\t%s\n", candidate.Word, candidate.What); err != nil {
			return err
		}
	}
	return nil
}
