package auth

import (
	"strings"
	"testing"
)

// FuzzSerials: a list of revoked serial numbers is read as one or not at all,
// each number in the one form in which certificates' are compared.
func FuzzSerials(f *testing.F) {
	for _, seed := range []string{"", "1", "1, 2,\n3", "007", "1,,2", "<html>", "1,", "-1", "0x1", "none", "\u0661", strings.Repeat("9", 60)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serials, err := parseSerials(text)
		if err != nil {
			return
		}
		for serial := range serials {
			if strings.Trim(serial, "0123456789") != "" || serial == "" || len(serial) > 1 && serial[0] == '0' {
				t.Errorf("%q is a serial number in %q", serial, text)
			}
			if !strings.Contains(text, serial) {
				t.Errorf("%q is not in %q", serial, text)
			}
		}
	})
}

// FuzzAuthorities: a Host header names one authority, in one form, and only
// those that serve.
func FuzzAuthorities(f *testing.F) {
	for _, seed := range []string{"api.example.com", "API.example.com:443", "localhost", "[::1]:8080", "127.0.0.1:1", "a:b:c", "", "x@y", "b.example:80"} {
		f.Add("a.example,b.example:8443", seed)
		f.Add("", seed)
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, list, host string) {
		authorities, err := ParseAuthorities(list)
		if err != nil {
			return
		}
		name, err := authorities.of(host)
		if err != nil {
			return
		}
		if name != strings.ToLower(name) || strings.HasSuffix(name, ":443") {
			t.Errorf("%q becomes %q", host, name)
		}
		if again, err := authorities.of(name); err != nil || again != name {
			t.Errorf("%q becomes %q, and that %q (%v)", host, name, again, err)
		}
	})
}
