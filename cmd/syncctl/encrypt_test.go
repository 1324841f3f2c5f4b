package main

import (
	"os"
	"strings"
)

// testEncrypt has data that the server cannot read, and a server's mischief.
func testEncrypt(d device) {
	d.run("set", "diary", "dear diary", "--encrypt", "--schema-version", "v1").wants(exitOK, "revision 1", "")
	d.run("get", "--raw", "--encrypt", "diary").wants(exitOK, "dear diary", "")
	if stored := d.run("get", "--raw", "diary").wants(exitOK, "", "").out; len(stored) != 128 || strings.Contains(stored, "diary") {
		d.t.Errorf("%d bytes are stored: %q", len(stored), stored)
	}
	if w := d.run("--json", "set", "diary", "more", "--encrypt", "--schema-version", "v1", "--last-seen").wants(exitOK, "", "").json()[0]; w["record"].(map[string]any)["data"] != "bW9yZQ==" {
		d.t.Errorf("%v", w)
	}
	d.run("set", "diary", "other", "--encrypt").wants(exitConflict, "data      more", "is at revision 2")
	d.run("changes", "--encrypt").wants(exitOK, "more\n", "")

	// What the server would have as data is none.
	box := d.run("get", "--raw", "diary").out
	d.runWith(d.t.Context(), box, "set", "copy", "-", "--schema-version", "v1").wants(exitOK, "", "")
	d.run("set", "plain", "text").wants(exitOK, "", "")
	d.runWith(d.t.Context(), box[:100], "set", "cut", "-").wants(exitOK, "", "")
	for id, says := range map[string]string{"copy": "belongs to another record", "plain": "is not encrypted", "cut": "lacks its end"} {
		if got := d.run("get", "--encrypt", id).wants(exitError, "", says); got.out != "" {
			d.t.Errorf("%s is shown: %s", id, got.out)
		}
	}
	if e := d.run("--json", "get", "--encrypt", "copy").wants(exitError, "", "").json()[0]; e["code"] != "SWAPPED" || e["id"] != "copy" {
		d.t.Errorf("%v", e)
	}
	d.run("changes", "--encrypt").wants(exitError, "more\n", "copy: ")

	l := start(d, "--json", "listen", "--encrypt", "--since", "0")
	for _, want := range []string{`"data":"bW9yZQ=="`, `"code":"SWAPPED"`, `"code":"NOT_ENCRYPTED"`, `"code":"TRUNCATED"`, "CAUGHT_UP"} {
		l.next(want)
	}
	// An old box that is put in the place of a later one is told.
	d.run("set", "diary", "the end", "--encrypt", "--schema-version", "v1", "--last-seen").wants(exitOK, "", "")
	l.next(`"id":"diary"`)
	d.runWith(d.t.Context(), box, "set", "diary", "-", "--schema-version", "v1", "--last-seen").wants(exitOK, "", "")
	l.next(`"code":"ROLLED_BACK"`)
	l.signal(os.Interrupt)
	l.ends(exitOK)

	d.run("set", "k", "x", "--encrypt", "--mutation-id", "m").wants(exitUsage, "", "--mutation-id")
	d.run("set", "k", strings.Repeat("x", 65455), "--encrypt").wants(exitRefused, "", "too many to be encrypted")
	d.run("set", "k", strings.Repeat("x", 65454), "--encrypt").wants(exitOK, "", "")
	d.run("listen", "--since", "0", "--encrypt", "--exec", "cat").wants(exitError, "", "copy: ")
}
