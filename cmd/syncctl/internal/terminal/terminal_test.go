package terminal_test

import (
	"encoding/json"
	"testing"

	"syncline/cmd/syncctl/internal/terminal"
)

func TestWhatCouldHarmIsEscaped(t *testing.T) {
	for name, c := range map[string]struct{ in, line, text string }{
		"plain":               {"hello, world", "hello, world", "hello, world"},
		"escape sequences":    {"\x1b]0;title\x07\x1b[2J", `\u001b]0;title\u0007\u001b[2J`, `\u001b]0;title\u0007\u001b[2J`},
		"one-byte C1":         {"\u009b2J", `\u009b2J`, `\u009b2J`},
		"not UTF-8":           {"caf\xe9", `caf\xe9`, `caf\xe9`},
		"lines":               {"a\nb\tc", `a\u000ab\u0009c`, "a\nb\tc"},
		"Windows lines":       {"a\r\nb", `a\u000d\u000ab`, "a\nb"},
		"a line overwritten":  {"evil\rgood", `evil\u000dgood`, `evil\u000dgood`},
		"right-to-left":       {"a\u202eb\u2066c", `a\u202eb\u2066c`, `a\u202eb\u2066c`},
		"an invisible tail":   {"a\u200b", `a\u200b`, "a\u200b"},
		"French":              {"10\u00a0% «\u202foui\u202f»", "10\u00a0% «\u202foui\u202f»", "10\u00a0% «\u202foui\u202f»"},
		"Japanese":            {"東京\u3000都", "東京\u3000都", "東京\u3000都"},
		"Persian":             {"می\u200cخواهم", "می\u200cخواهم", "می\u200cخواهم"},
		"a family":            {"👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"},
		"a tag in the Astral": {"x\U000E0041", `x\U000e0041`, "x\U000E0041"},
	} {
		if got := terminal.Line(c.in); got != c.line {
			t.Errorf("%s, in a line: %q, want %q", name, got, c.line)
		}
		if got := terminal.Text(c.in); got != c.text {
			t.Errorf("%s, as text: %q, want %q", name, got, c.text)
		}
	}
}

func TestJSONKeepsItsValues(t *testing.T) {
	in := "a\u009b\u202e\u007f\U000E0041é\u2028"
	encoded, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	safe := terminal.JSON(encoded)
	if want := `"a\u009b\u202e\u007f` + "\U000E0041é" + `\u2028"`; string(safe) != want {
		t.Errorf("%s, want %s", safe, want)
	}
	var out string
	if err := json.Unmarshal(safe, &out); err != nil || out != in {
		t.Errorf("%q, %v", out, err)
	}
}

func TestIsText(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "plain": true, "one\r\ntwo\r\n": true, "10\u00a0%": true, "東京\u3000都": true, "می\u200cخواهم": true,
		"\ufeffwith a mark": true, "\ue000 private": true, "\U0001fae9 of a newer Unicode": true,
		"\x00": false, "\x1b[31m": false, "caf\xe9": false, "\u009b": false, "\x7f": false,
	} {
		if got := terminal.IsText([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestWidthCountsCells(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "東京": 4, "e\u0301": 1, "👨\u200d👩\u200d👧": 2, "می\u200cخواهم": 7} {
		if got := terminal.Width(text); got != want {
			t.Errorf("%q takes %d cells, want %d", text, got, want)
		}
	}
	if got := terminal.Pad("東京", 6); got != "東京  " {
		t.Errorf("%q", got)
	}
	if got := terminal.Shorten("東京都千代田区", 7); got != "東京都…" {
		t.Errorf("%q", got)
	}
	if got := terminal.Shorten("short", 5); got != "short" {
		t.Errorf("%q", got)
	}
}
