package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type manCommand struct{}

// Help is shown by syncctl man --help.
func (*manCommand) Help() string {
	return `Examples:
  syncctl man | man -l -
  syncctl man > ~/.local/share/man/man1/syncctl.1`
}

func (*manCommand) Run(a *app) error { //nolint:unparam // what kong calls
	_, _ = fmt.Fprint(a.out, manual(a.parser.Model))
	return nil
}

// manual is the manual page, in the language of man(7).
func manual(model *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH SYNCCTL 1 \"\" \"syncctl %s\" \"User Commands\"\n", roff(version()))
	b.WriteString(".SH NAME\nsyncctl \\- Syncline from the command line\n")
	b.WriteString(".SH SYNOPSIS\n.B syncctl\n.RI [ FLAGS ]\n.I COMMAND\n.RI [ ARGUMENTS ]\n")
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, model.Help)
	b.WriteString(".SH FLAGS\n")
	manFlags(&b, model.Flags)
	b.WriteString(".SH COMMANDS\n")
	manCommands(&b, model.Node)
	return b.String()
}

func manCommands(b *strings.Builder, node *kong.Node) {
	for _, n := range node.Children {
		switch {
		case n.Hidden:
		case len(n.Children) > 0:
			manCommands(b, n)
		default:
			fmt.Fprintf(b, ".SS %s\n%s\n", roff("syncctl "+strings.TrimPrefix(n.Path(), "syncctl ")+positionals(n)), roff(n.Help))
			manFlags(b, n.Flags)
			if n.Detail != "" {
				b.WriteString(".PP\n")
				manText(b, n.Detail)
			}
		}
	}
}

func positionals(n *kong.Node) string {
	var b strings.Builder
	for _, p := range n.Positional {
		b.WriteString(" " + p.Summary())
	}
	return b.String()
}

func manFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(f.Help))
	}
}

// manText is text whose line ends count: examples, and lists.
func manText(b *strings.Builder, text string) {
	b.WriteString(".nf\n")
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(roff(strings.TrimSuffix(line, "\n")) + "\n")
	}
	b.WriteString(".fi\n")
}

// roff is text without what roff would read as its own.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
