// Package servercert is the certificate that a server shows its clients. It is read
// from two files, and read again when these change:
//
//	files, err := servercert.Open(certFile, keyFile, log)
//	...
//	go files.Run(ctx)
//	server.TLSConfig = files.Config()
package servercert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the files are read. They are small, and what tells of
// changes in directories misses those of links and of mounts.
const lookEvery = time.Second

// maxFile is more than any chain of certificates takes.
const maxFile = 1 << 20

// Files are a certificate, with those that lead to its authority, and its key, in
// PEM files. They are safe for concurrent use.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	shown  *tls.Certificate
	cert   string // the files' content when shown was read
	key    string
	wrong  string // what was wrong with the files when they were read last
	passed bool   // they have been wrong in this way for more than one look
}

// Open reads the files. The error says which of them is to blame, if that is known.
func Open(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log}
	if err := f.look(); err != nil {
		return nil, err
	}
	return f, nil
}

// Config is how clients are spoken to: by TLS 1.2 or newer.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.shown, nil
		},
	}
}

// Leaf is the certificate that is shown now.
func (f *Files) Leaf() *x509.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shown.Leaf
}

// Broken tells whether the files hold something else than what is shown, which
// cannot be used.
func (f *Files) Broken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.passed
}

// Run looks at the files until ctx ends, which is its error. A new pair is shown to
// those who connect from then on. While the files are missing, or do not belong together, the
// last good pair is shown.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			_ = f.look() // which is in the log
		}
	}
}

// look takes what is in the files, if it is new and good. Files that are replaced one after
// the other are wrong in between, so only what stays wrong is told, once.
func (f *Files) look() error {
	cert, key, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && (f.shown == nil || cert != f.cert || key != f.key) {
		var pair tls.Certificate
		if pair, err = tls.X509KeyPair([]byte(cert), []byte(key)); err == nil {
			first := f.shown == nil
			f.shown, f.cert, f.key = &pair, cert, key
			if !first {
				f.log.Info("the certificate was replaced", "names", pair.Leaf.DNSNames, "ends", pair.Leaf.NotAfter.UTC())
			}
		} else {
			err = fmt.Errorf("failed to load %s with the key in %s: %w", f.certFile, f.keyFile, err)
		}
	}
	if err == nil {
		f.wrong, f.passed = "", false
		return nil
	}
	if err.Error() != f.wrong {
		f.wrong = err.Error()
		return err
	}
	if !f.passed {
		f.passed = true
		f.log.Error("the new certificate cannot be used, so the last one is shown on", "error", err, "ends", f.shown.Leaf.NotAfter.UTC())
	}
	return err
}

func (f *Files) read() (cert, key string, err error) {
	if cert, err = readSmall(f.certFile); err != nil {
		return "", "", fmt.Errorf("failed to read the certificate: %w", err)
	}
	if key, err = readSmall(f.keyFile); err != nil {
		return "", "", fmt.Errorf("failed to read the key: %w", err)
	}
	return cert, key, nil
}

func readSmall(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New(path + " has more than 1 MiB")
	}
	return string(content), err
}
