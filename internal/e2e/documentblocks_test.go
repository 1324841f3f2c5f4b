package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// block is a fenced block of a document.
type block struct {
	line     int
	language string
	text     string
	notRun   bool // as a comment before it tells, with why
}

// parse reads a document's blocks. A command block that cannot run has a comment
// before it, which readers do not see: <!-- not run: why -->.
func parse(file string) (blocks []block, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	before, inside, number := "", false, 0
	for line := range strings.Lines(string(text)) {
		number++
		switch fence, isFence := strings.CutPrefix(line, "```"); {
		case isFence && !inside:
			why, notRun := strings.CutPrefix(before, "<!-- not run: ")
			if notRun && len(why) < 15 {
				return nil, fmt.Errorf("%s:%d: it does not say why this is not run", file, number)
			}
			blocks = append(blocks, block{line: number, language: strings.TrimSpace(fence), notRun: notRun})
			inside = true
		case isFence:
			inside = false
		case inside:
			blocks[len(blocks)-1].text += line
		}
		before = line
	}
	return blocks, nil
}

type consoleCommand struct{ line, output string }

// commands are those of a console block, with what they print.
func commands(console string) []consoleCommand {
	var all []consoleCommand
	for line := range strings.Lines(console) {
		if command, found := strings.CutPrefix(line, "$ "); found {
			all = append(all, consoleCommand{line: strings.TrimSpace(command)})
		} else if len(all) > 0 {
			all[len(all)-1].output += line
		}
	}
	return all
}

var variable = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{66}\b`), "OWNER"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "INSTANCE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b\d{8}T\d{6}Z\b`), "TIME"},
	{regexp.MustCompile(`cursor \S+`), "cursor CURSOR"},
	{regexp.MustCompile(`\d+ bytes`), "SIZE bytes"},
	{regexp.MustCompile(`\d+ MiB are free`), "SIZE MiB are free"},
	{regexp.MustCompile(`go on above \d+`), "go on above BASE"},
}

func normal(output string) string {
	for _, v := range variable {
		output = v.what.ReplaceAllString(output, v.name)
	}
	return strings.TrimSpace(output)
}
