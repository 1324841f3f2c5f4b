// Package keyfile reads and writes files with a private key: 64 hexadecimal
// characters on a line, or that line encrypted with a passphrase, as age has it
// (so that "age -d" can open such a file, too).
package keyfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf16"

	"filippo.io/age"
	"filippo.io/age/armor"

	"syncline/auth/signing"
)

var (
	// ErrNone says that there is no such file.
	ErrNone = errors.New("no key file")
	// ErrExists says that a file is in the way of a new one.
	ErrExists = errors.New("there is a key already")
	// ErrWrongPassphrase says that a passphrase does not open the file.
	ErrWrongPassphrase = errors.New("the passphrase is wrong")
)

const (
	maxBytes = 16 << 10
	// workFactor makes scrypt take 64 MiB and a fifth of a second or so for each guess.
	workFactor = 16
)

// File is the content of a key file.
type File struct {
	plain     string
	encrypted []byte
}

// Encrypted tells whether the key needs a passphrase.
func (f File) Encrypted() bool { return f.encrypted != nil }

// Open reads a file that others must not be able to read, unless it is read-only
// for everybody, as secrets in containers are. It may be a pipe.
func Open(path string) (File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, fmt.Errorf("%w at %s", ErrNone, path)
	}
	if err != nil {
		return File{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return File{}, err
	}
	mode := info.Mode()
	if mode.IsRegular() && mode.Perm()&0o077 != 0 && mode.Perm()&0o222 != 0 && runtime.GOOS != "windows" {
		return File{}, fmt.Errorf("others may read the key at %s (mode %04o): chmod 600 it", path, mode.Perm())
	}
	f, err := Read(file)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Read reads what a key file contains.
func Read(r io.Reader) (File, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return File{}, err
	}
	if len(raw) > maxBytes {
		return File{}, errors.New("too long for a private key")
	}
	text := strings.TrimSpace(withoutMark(raw))
	if strings.HasPrefix(text, armor.Header) {
		return File{encrypted: []byte(text)}, nil
	}
	return File{plain: text}, nil
}

// withoutMark is the text of a file that an editor or a shell of Windows put a
// byte-order mark before.
func withoutMark(raw []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return string(bytes.TrimPrefix(raw, []byte("\ufeff")))
	}
	units := make([]uint16, len(raw)/2-1)
	for i := range units {
		units[i] = order.Uint16(raw[2*i+2:])
	}
	return string(utf16.Decode(units))
}

// Key is the key. passphrase is asked for if the file needs one.
func (f File) Key(passphrase func() (string, error)) (signing.PrivateKey, error) {
	if !f.Encrypted() {
		return signing.ParsePrivateKey(f.plain)
	}
	secret, err := passphrase()
	if err != nil {
		return signing.PrivateKey{}, err
	}
	identity, err := age.NewScryptIdentity(secret)
	if err != nil {
		return signing.PrivateKey{}, ErrWrongPassphrase // it is empty
	}
	identity.SetMaxWorkFactor(workFactor + 4)
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(f.encrypted)), identity)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return signing.PrivateKey{}, ErrWrongPassphrase
	}
	if err != nil {
		return signing.PrivateKey{}, fmt.Errorf("decrypt: %w", err)
	}
	opened, err := Read(plain)
	if err != nil {
		return signing.PrivateKey{}, fmt.Errorf("decrypt: %w", err)
	}
	return signing.ParsePrivateKey(opened.plain)
}

// Encode is what a file with the key contains; encrypted unless the passphrase is
// empty.
func Encode(key signing.PrivateKey, passphrase string) ([]byte, error) {
	line := key.Hex() + "\n"
	if passphrase == "" {
		return []byte(line), nil
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(workFactor)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	_, err = io.WriteString(w, line)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// Write stores content that only the file's owner may read. Without replace it
// never touches a file that is there: ErrExists. With it, a symbolic link stays,
// and the file that it names is replaced.
func Write(path string, content []byte, replace bool) error {
	if replace {
		switch target, err := filepath.EvalSymlinks(path); {
		case err == nil:
			path = target
		case !errors.Is(err, fs.ErrNotExist):
			return err
		case isLink(path):
			return fmt.Errorf("%s is a symbolic link to nothing", path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if replace {
		return os.Rename(temporary.Name(), path)
	}
	err = os.Link(temporary.Name(), path) // unlike Rename it fails if path is there
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w at %s", ErrExists, path)
	}
	return err
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
