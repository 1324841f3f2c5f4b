package commandline

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Candidate is what a word of a command line may become, and what that is.
type Candidate struct{ Word, What string }

// Complete lists what the last of the words, which follow the program's own name,
// may become. values answers what the value of a flag may be, or with a flag that
// is nil what may follow a command beside its own commands; both only where the
// program knows. values may be nil.
func Complete(node *kong.Node, words []string, values func(*kong.Node, *kong.Flag) []Candidate) []Candidate {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
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
	var candidates []Candidate
	switch {
	case value == nil && strings.HasPrefix(last, "-"):
		for _, f := range flags {
			if !f.Hidden {
				candidates = append(candidates, Candidate{"--" + f.Name, firstSentence(f.Help)})
			}
		}
	case value == nil:
		for _, n := range node.Children {
			if !n.Hidden {
				candidates = append(candidates, Candidate{n.Name, firstSentence(n.Help)})
			}
		}
		for _, p := range node.Positional {
			for _, word := range enum(p) {
				candidates = append(candidates, Candidate{word, ""})
			}
		}
		fallthrough
	default:
		if values != nil {
			candidates = append(candidates, values(node, value)...)
		}
	}
	return slices.DeleteFunc(candidates, func(c Candidate) bool { return !strings.HasPrefix(c.Word, last) })
}

// enum is the words that an argument may be, if they are given.
func enum(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return strings.Split(v.Enum, ",")
}

func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, " (")
	return strings.TrimSuffix(first, ".")
}

// Script is a script that has a shell (bash, zsh or fish) ask the program itself,
// by "program __complete -- WORDS", what a word may become. The program answers
// with a line for each [Candidate]: its word, a tab, and what it is.
func Script(shell, program string) string {
	return strings.ReplaceAll(scripts[shell], "PROGRAM", program)
}

var scripts = map[string]string{
	"bash": `# Completion of PROGRAM for bash.
_PROGRAM() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _PROGRAM PROGRAM
`,
	"zsh": `#compdef PROGRAM
# Completion of PROGRAM for zsh.
_PROGRAM() {
    local -a found
    local line
    while IFS= read -r line; do
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe PROGRAM found
    else
        _files
    fi
}
if [[ "$funcstack[1]" = _PROGRAM ]]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
`,
	"fish": `# Completion of PROGRAM for fish.
function __PROGRAM_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
# Where PROGRAM knows nothing, files: of data, keys and commands.
complete -c PROGRAM -n 'not count (__PROGRAM_complete) >/dev/null' -F
`,
}
