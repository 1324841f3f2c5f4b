package commandline

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Manual is a program's manual page, in the language of man(7). is says in a few
// words what the program is.
func Manual(model *kong.Application, is string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s\" \"User Commands\"\n", roff(strings.ToUpper(model.Name)), roff(model.Name+" "+Version()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(model.Name), roff(is))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.RI [ FLAGS ]\n.I COMMAND\n.RI [ ARGUMENTS ]\n", roff(model.Name))
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, model.Help)
	b.WriteString(".SH FLAGS\n")
	manFlags(&b, model.Flags)
	b.WriteString(".SH COMMANDS\n")
	manCommands(&b, model.Name, model.Node)
	return b.String()
}

func manCommands(b *strings.Builder, program string, node *kong.Node) {
	for _, n := range node.Children {
		switch {
		case n.Hidden:
		case len(n.Children) > 0:
			manCommands(b, program, n)
		default:
			title := program + " " + strings.TrimPrefix(n.Path(), program+" ")
			for _, p := range n.Positional {
				title += " " + p.Summary()
			}
			fmt.Fprintf(b, ".SS %s\n%s\n", roff(title), roff(n.Help))
			manFlags(b, n.Flags)
			if n.Detail != "" {
				b.WriteString(".PP\n")
				manText(b, n.Detail)
			}
		}
	}
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
