package main

import (
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

func TestKeyTravels(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	owner := d.run("keygen", "--json").json()[0]["owner"].(string)
	exported := d.run("key", "export").wants(exitOK, "", "")
	phone := d
	phone.key = filepath.Join(t.TempDir(), "key")
	phone.runWith(t.Context(), exported.out, "key", "import").wants(exitOK, owner, "")
	phone.run("whoami", "--offline").wants(exitOK, owner, "")
	phone.runWith(t.Context(), exported.out, "key", "import").wants(exitError, "", "--force")
	phone.runWith(t.Context(), "nonsense", "key", "import", "--force").wants(exitError, "", "private key")
	code := d.run("key", "export", "--qr").wants(exitOK, "█", "all of your data")
	if got := scan(t, code.out); got != strings.TrimSpace(exported.out) {
		t.Errorf("the code says %q", got)
	}
}

// scan reads a QR code off a terminal that shows text, by its colours.
func scan(t *testing.T, shown string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
	const dot = 4 // pixels
	var screen *image.Gray
	for row, line := range lines {
		line, ok := strings.CutPrefix(line, "\x1b[30;47m") // black on white
		cells := []rune(strings.TrimSuffix(line, "\x1b[0m"))
		if !ok || len(cells) == len([]rune(line)) {
			t.Fatalf("no colours: %q", line)
		}
		if screen == nil {
			screen = image.NewGray(image.Rect(0, 0, dot*len(cells), 2*dot*len(lines)))
		}
		for column, cell := range cells {
			halves := map[rune][2]uint8{'█': {0, 0}, '▀': {0, 255}, '▄': {255, 0}, ' ': {255, 255}}[cell]
			for y := range 2 * dot {
				for x := range dot {
					screen.SetGray(column*dot+x, row*2*dot+y, color.Gray{Y: halves[y/dot]})
				}
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(screen)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatalf("no QR code in\n%s: %v", shown, err)
	}
	return result.GetText()
}
