package sealed_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/client/seal"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/sealed"
	"syncline/synckit/transport/synclinetransport"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// Two devices of a user sync by a server that has nothing of what they wrote.
func TestOverASynclineServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	identity, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	c, err := client.New(server.URL(), identity, client.WithHTTPClient(&http.Client{Transport: connections}))
	if err != nil {
		t.Fatal(err)
	}
	over := func() synckit.Transport {
		inner := synclinetransport.New(c, nil)
		t.Cleanup(func() { inner.Close() })
		return sealed.Over(inner, codecOf(t, key), sealed.Options{})
	}
	phone, laptop := newNode(t, memory.New(), over()), newNode(t, memory.New(), over())
	phone.write("p1", "note", "secret of the phone")
	laptop.write("l1", "note", "secret of the laptop")
	phone.write("fits", "large", strings.Repeat("x", 40<<10))
	phone.write("does not", "large", strings.Repeat("x", 50<<10))
	check(t, "too large", phone.sync().ReviewsAdded, 1)
	check(t, "conflicts", laptop.sync().ConflictsResolved, 1)
	phone.sync()
	check(t, "the note on both", phone.reads("note"), laptop.reads("note"))
	check(t, "what counts", strings.Contains(phone.reads("note"), "secret of the laptop"), true)
	check(t, "the large one", strings.HasPrefix(laptop.reads("large"), "fits"), true)

	page, err := c.Changes(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "records", len(page.Records), 4)
	for _, r := range page.Records {
		if text := strings.ToLower(string(r.Data)); strings.Contains(text, "secret") || strings.Contains(text, "author") {
			t.Errorf("the server reads %s", r.Data)
		}
	}
}
