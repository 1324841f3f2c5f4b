package main

import (
	"os"
	"path/filepath"
	"strings"
)

// testDebug shows what goes over the line, but nothing to act as the user with.
func testDebug(d device) {
	got := d.run("--debug", "set", "a", "a secret of mine").wants(exitOK, "", "> POST "+d.url)
	shows := func(shown string, parts ...string) {
		d.t.Helper()
		for _, part := range parts {
			if !strings.Contains(shown, part) {
				d.t.Errorf("no %s in %s", part, shown)
			}
		}
		for _, secret := range []string{"YSBzZWNyZXQgb2YgbWluZQ", "Signature: sig=", `"signature":"sig=`, "MIIB"} {
			if strings.Contains(shown, secret) {
				d.t.Errorf("%s is shown: %s", secret, shown)
			}
		}
	}
	shows(got.err, "setRecord", "Signature-Input: sig=", "< 200 OK", `"newRevision":1`)

	// The server asks for none.
	certificate := filepath.Join(d.t.TempDir(), "certificate")
	if err := os.WriteFile(certificate, []byte{0x30, 0x82, 0x01, 0x01}, 0o600); err != nil { // MIIBAQ== in base64
		d.t.Fatal(err)
	}
	followed := d.run("--debug", "--certificate", certificate, "listen", "--since", "0", "--exec", "exit 3")
	shows(followed.err, "> GET ws"+strings.TrimPrefix(d.url, "http"), `"type":"connection_init"`, `"signature-input":"sig=`, `"signature":"(`,
		`"authorization":"(`, `< {"type":"connection_ack"`, "recordChanged", `"type":"next"`, `"data":"(24 characters)"`)
}
