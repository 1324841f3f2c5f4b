package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
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
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range complete(a.parser.Model.Node, words) {
		a.printf("%s\t%s\n", candidate.word, candidate.what)
	}
	return nil
}

// candidate is what a word may become, and what that is.
type candidate struct{ word, what string }

// complete lists what the last of the words may become.
func complete(node *kong.Node, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	var value *kong.Flag // the flag whose value comes next
	flags := slices.Clone(node.Flags)
	for _, word := range words[:len(words)-1] {
		switch {
		case value != nil:
			value = nil
		case word == "--":
			return nil // a command of the user's own: the shell knows files
		case strings.HasPrefix(word, "-"):
			i := slices.IndexFunc(flags, func(f *kong.Flag) bool { return word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) })
			if i >= 0 && !flags[i].IsBool() {
				value = flags[i]
			}
		default:
			if i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word }); i >= 0 {
				node = node.Children[i]
				flags = append(flags, node.Flags...)
			}
		}
	}
	last := words[len(words)-1]
	var candidates []candidate
	add := func(name, what string) {
		if strings.HasPrefix(name, last) {
			candidates = append(candidates, candidate{name, what})
		}
	}
	switch {
	case value != nil && value.Name == "context", value == nil && node.Parent != nil && node.Parent.Name == "context" && !strings.HasPrefix(last, "-"):
		s, _ := readSettings()
		for _, name := range slices.Sorted(maps.Keys(s.Contexts)) {
			add(name, s.Contexts[name].URL)
		}
	case value != nil:
	case strings.HasPrefix(last, "-"):
		for _, f := range flags {
			if !f.Hidden {
				add("--"+f.Name, firstSentence(f.Help))
			}
		}
	default:
		for _, n := range node.Children {
			if !n.Hidden {
				add(n.Name, firstSentence(n.Help))
			}
		}
		if node.Name == "completion" {
			for _, shell := range []string{"bash", "zsh", "fish"} {
				add(shell, "")
			}
		}
	}
	return candidates
}

func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, " (")
	return strings.TrimSuffix(first, ".")
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

var completionScripts = map[string]string{
	"bash": `# Completion of syncctl for bash.
_syncctl() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _syncctl syncctl
`,
	"zsh": `#compdef syncctl
# Completion of syncctl for zsh.
_syncctl() {
    local -a found
    local line
    while IFS= read -r line; do
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe syncctl found
    else
        _files
    fi
}
if [[ "$funcstack[1]" = _syncctl ]]; then
    _syncctl "$@"
else
    compdef _syncctl syncctl
fi
`,
	"fish": `# Completion of syncctl for fish.
function __syncctl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c syncctl -f -a '(__syncctl_complete)'
# Where syncctl knows nothing, files: of data, keys and commands.
complete -c syncctl -n 'not count (__syncctl_complete) >/dev/null' -F
`,
}

func (c *completionCommand) Run(a *app) error { //nolint:unparam // what kong calls
	_, _ = fmt.Fprint(a.out, completionScripts[c.Shell])
	return nil
}
