package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

// Mode is who may use a file, in octal as chmod has it.
type Mode fs.FileMode

// UnmarshalText reads a mode such as 0660.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return fmt.Errorf("%q is not a mode in octal, such as 0660", text)
	}
	*m = Mode(n)
	return nil
}

// maxSocketPath is what systems take.
const maxSocketPath = 103

// TLS tells whether clients are spoken to by TLS.
func (c Config) TLS() bool { return c.TLSCertFile != "" }

func (c Config) checkListener() error {
	path, unix := strings.CutPrefix(c.ListenAddress, "unix:")
	_, _, err := net.SplitHostPort(c.ListenAddress)
	switch {
	case unix && !strings.HasPrefix(path, "/"):
		return fmt.Errorf("LISTEN_ADDRESS: %q is not unix: and a path from the root, as in unix:/run/syncline/socket", c.ListenAddress)
	case unix && len(path) > maxSocketPath:
		return fmt.Errorf("LISTEN_ADDRESS: the path has more than %d bytes, which is all that a socket's may have", maxSocketPath)
	case !unix && err != nil:
		return fmt.Errorf("LISTEN_ADDRESS: %q is not host:port, :port or unix:/path", c.ListenAddress)
	case c.TLSCertFile != "" && c.TLSKeyFile == "":
		return errors.New("TLS_CERT_FILE: has no meaning without TLS_KEY_FILE")
	case c.TLSKeyFile != "" && c.TLSCertFile == "":
		return errors.New("TLS_KEY_FILE: has no meaning without TLS_CERT_FILE")
	case c.TLS() && unix && c.GRPCListenAddress == "" && c.GRPCWebListenAddress == "":
		return errors.New("TLS_CERT_FILE: has no meaning where LISTEN_ADDRESS is a Unix socket, which is not encrypted")
	case c.TrustedProxies.TrustsUnix() && !unix:
		return errors.New("TRUSTED_PROXIES: unix has no meaning unless LISTEN_ADDRESS is unix:/path")
	}
	return nil
}
