package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/term"
	"rsc.io/qr"

	"syncline/auth/signing"
	"syncline/cmd/syncctl/internal/group"
	"syncline/cmd/syncctl/internal/keyfile"
)

// configDir is where this user's settings are, the key among them.
func configDir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil && runtime.GOOS != "windows" { // XDG_CONFIG_HOME counts only if it is absolute
		var home string
		if home, err = os.UserHomeDir(); err == nil {
			dir = filepath.Join(home, ".config")
		}
	}
	if err != nil || !filepath.IsAbs(dir) {
		return "", usagef("there is no home directory to keep a key in: name the file with --key")
	}
	return filepath.Join(dir, "syncline"), nil
}

// keyPath is where the key is.
func (a *app) keyPath() (string, error) {
	if a.Key != "" {
		return a.Key, nil
	}
	dir, err := configDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "key"), nil
}

// keyFile reads the file with the key.
func (a *app) keyFile(ctx context.Context) (keyfile.File, error) {
	path, err := a.keyPath()
	if err != nil {
		return keyfile.File{}, err
	}
	if path == "-" {
		content, err := a.readInput(ctx)
		if err != nil {
			return keyfile.File{}, err
		}
		return keyfile.Read(bytes.NewReader(content))
	}
	f, err := keyfile.Open(path)
	if errors.Is(err, keyfile.ErrNone) {
		return f, fmt.Errorf("there is no key at %s: make one with syncctl keygen", path)
	}
	return f, err
}

// key reads the key, and asks for its passphrase if it has one, both once.
func (a *app) key(ctx context.Context) (signing.PrivateKey, error) {
	if a.ownKey != nil {
		return *a.ownKey, nil
	}
	f, err := a.keyFile(ctx)
	if err != nil {
		return signing.PrivateKey{}, err
	}
	key, err := f.Key(func() (string, error) { return a.passphrase(ctx, "Passphrase of your key: ") })
	if err == nil {
		a.ownKey = &key
	}
	return key, err
}

// passphrase reads the passphrase from its file, or asks at the terminal.
func (a *app) passphrase(ctx context.Context, prompt string) (string, error) {
	if a.PassphraseFile != "" {
		content, err := readFile(ctx, a.PassphraseFile)
		if err != nil {
			return "", fmt.Errorf("passphrase: %w", err)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	return ask(ctx, prompt)
}

// ask reads a line from the terminal that does not show there.
func ask(ctx context.Context, prompt string) (string, error) {
	tty, err := os.OpenFile(terminalPath(), os.O_RDWR, 0)
	if err != nil {
		return "", errors.New("the key needs a passphrase, and there is no terminal to ask for it: give --passphrase-file")
	}
	defer func() { _ = tty.Close() }()
	state, err := term.MakeRaw(int(tty.Fd())) // before the prompt: what is typed early does not show either
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(tty.Fd()), state) }()
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.NewTerminal(tty, "").ReadPassword(prompt)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		if errors.Is(l.err, io.EOF) { // Ctrl-C, which a raw terminal makes no signal of
			return "", group.Signal{Signal: syscall.SIGINT}
		}
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func terminalPath() string {
	if runtime.GOOS == "windows" {
		return "CONIN$"
	}
	return "/dev/tty"
}

// newPassphrase asks for a passphrase twice, unless it comes from a file.
func (a *app) newPassphrase(ctx context.Context) (string, error) {
	first, err := a.passphrase(ctx, "New passphrase: ")
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errors.New("an empty passphrase protects nothing")
	}
	if a.PassphraseFile != "" {
		return first, nil
	}
	second, err := ask(ctx, "Once more: ")
	if err == nil && second != first {
		err = errors.New("the two differ: nothing was changed")
	}
	return first, err
}

type keygenCommand struct {
	Force      bool `help:"Replace an existing key. What it owns can then be reached no more."`
	Passphrase bool `help:"Protect the file with a passphrase, which each command then asks for."`
}

func (k *keygenCommand) Run(ctx context.Context, a *app) error {
	key, err := signing.GenerateKey()
	if err != nil {
		return err
	}
	return a.storeKey(ctx, key, "", k.Passphrase, k.Force)
}

// storeKey writes a new key to its file, protected by a passphrase unless that is
// empty, or by one that it asks for.
func (a *app) storeKey(ctx context.Context, key signing.PrivateKey, passphrase string, askForOne, force bool) error {
	path, err := a.keyPath()
	if err != nil {
		return err
	}
	if path == "-" {
		return usagef("--key - is for reading: name a file to write to")
	}
	if askForOne {
		if passphrase, err = a.newPassphrase(ctx); err != nil {
			return err
		}
	}
	content, err := keyfile.Encode(key, passphrase)
	if err != nil {
		return err
	}
	err = keyfile.Write(path, content, force)
	if errors.Is(err, keyfile.ErrExists) {
		return fmt.Errorf("%w; --force replaces it, and what it owns can then be reached no more", err)
	}
	if err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]string{"owner": key.Public().String(), "key": path})
		return nil
	}
	a.printf("key of %s\nwritten to %s: keep a copy in a safe place\n", key.Public(), path)
	return nil
}

type keyCommands struct {
	Export     keyExportCommand     `cmd:"" help:"Print the key, for another device of yours."`
	Import     keyImportCommand     `cmd:"" help:"Store a key that another device exported."`
	Passphrase keyPassphraseCommand `cmd:"" help:"Set, change or remove the passphrase of the key's file."`
}

type keyExportCommand struct {
	QR bool `name:"qr" help:"As a QR code, to be scanned from the screen."`
}

// Help is shown by syncctl key export --help.
func (*keyExportCommand) Help() string {
	return `Examples:
  syncctl key export --qr
  syncctl key export | ssh laptop syncctl key import

Whoever sees the key can read and write all of your data, for ever.`
}

func (e *keyExportCommand) Run(ctx context.Context, a *app) error {
	key, err := a.key(ctx)
	if err != nil {
		return err
	}
	switch {
	case e.QR && a.JSON:
		return usagef("--qr is for people: it cannot be JSON")
	case a.JSON:
		a.printJSON(map[string]string{"owner": key.Public().String(), "privateKey": key.Hex()})
	case e.QR:
		code, err := qr.Encode(key.Hex(), qr.M)
		if err != nil {
			return fmt.Errorf("QR code: %w", err)
		}
		_, _ = fmt.Fprint(a.out, drawCode(code))
		a.notef("Whoever scans this can read and write all of your data.\n")
	default:
		a.printf("%s\n", key.Hex())
	}
	return nil
}

// drawCode draws a QR code, two dots above one another in a character, dark on
// light whatever the terminal's colours are, with the quiet zone that scanners want.
func drawCode(code *qr.Code) string {
	const quiet = 4
	const darkOnLight, plain = "\x1b[30;47m", "\x1b[0m"
	dark := func(x, y int) bool { return code.Black(x, y) }
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(darkOnLight)
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(map[[2]bool]string{
				{true, true}: "█", {true, false}: "▀", {false, true}: "▄", {false, false}: " ",
			}[[2]bool{dark(x, y), dark(x, y+1)}])
		}
		b.WriteString(plain + "\n")
	}
	return b.String()
}

type keyImportCommand struct {
	From       string `arg:"" optional:"" default:"-" type:"path" help:"The file to read; standard input by default."`
	Force      bool   `help:"Replace an existing key. What it owns can then be reached no more."`
	Passphrase bool   `help:"Protect the file with a new passphrase, which each command then asks for. Without it a key that has one keeps it."`
}

func (i *keyImportCommand) Run(ctx context.Context, a *app) error {
	var content []byte
	var err error
	if i.From == "-" {
		content, err = a.readInput(ctx)
	} else {
		content, err = readFile(ctx, i.From)
	}
	if err != nil {
		return err
	}
	f, err := keyfile.Read(bytes.NewReader(content))
	if err != nil {
		return err
	}
	var passphrase string
	key, err := f.Key(func() (string, error) {
		passphrase, err = ask(ctx, "Passphrase of the imported key: ")
		return passphrase, err
	})
	if err != nil {
		return err
	}
	return a.storeKey(ctx, key, passphrase, i.Passphrase, i.Force)
}

type keyPassphraseCommand struct {
	Remove bool   `help:"Leave the key without a passphrase."`
	New    string `name:"new-passphrase-file" type:"path" placeholder:"FILE" help:"The file with the new passphrase, instead of asking for it."`
}

func (p *keyPassphraseCommand) Run(ctx context.Context, a *app) error {
	key, err := a.key(ctx)
	if err != nil {
		return err
	}
	path, err := a.keyPath()
	if err != nil {
		return err
	}
	if path == "-" {
		return usagef("--key - is for reading: name the key's file")
	}
	var passphrase string
	if !p.Remove {
		a.PassphraseFile = p.New // the old one has served
		if passphrase, err = a.newPassphrase(ctx); err != nil {
			return err
		}
	}
	content, err := keyfile.Encode(key, passphrase)
	if err != nil {
		return err
	}
	if err := keyfile.Write(path, content, true); err != nil {
		return err
	}
	if a.JSON {
		a.printJSON(map[string]any{"key": path, "encrypted": !p.Remove})
		return nil
	}
	if p.Remove {
		a.printf("%s has no passphrase any more\n", path)
	} else {
		a.printf("%s is protected by the new passphrase\n", path)
	}
	return nil
}
