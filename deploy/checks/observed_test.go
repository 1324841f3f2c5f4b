package checks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"syncline/auth/signing"
	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/client"
	"syncline/internal/testservers"
)

// observed are two servers that show metrics.
type observed struct {
	metrics     []string // addresses
	sqlite      device   // over TLS
	postgres    device
	breez       syncpbconnect.SyncerClient // of the second
	databaseURL string
	redis       *testservers.Redis
}

func startObserved(t *testing.T) observed {
	t.Helper()
	certificate, err := testservers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, certificate.File)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	o := observed{
		metrics:     []string{testservers.FreeAddress(t), testservers.FreeAddress(t)},
		databaseURL: testservers.StartPostgres(t).NewURL(t), redis: testservers.StartRedis(t),
	}
	first := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+o.metrics[0], "TLS_CERT_FILE="+certificate.File, "TLS_KEY_FILE="+certificate.KeyFile,
		"RATE_LIMITS=on", "RATE_NEW_OWNERS=1")
	second := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+o.metrics[1], "DATABASE_URL="+o.databaseURL, "REDIS_URL="+o.redis.URL(), "BREEZ_COMPATIBILITY=true")
	o.sqlite = device{&http.Client{Transport: transport}, "https://" + first.Address + "/graphql", newKey(t)}
	o.postgres = device{http.DefaultClient, second.URL(), newKey(t)}
	o.breez = syncpbconnect.NewSyncerClient(http.DefaultClient, "http://"+second.Address)
	for _, d := range []device{o.sqlite, o.postgres} {
		d.follow(t)
	}
	return o
}

// follow has a live feed until the test ends.
func (d device) follow(t *testing.T) {
	t.Helper()
	c, err := client.New(d.url, d.key, client.WithHTTPClient(d.http))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	live := make(chan struct{})
	go func() {
		defer close(ended)
		told := false
		for event, err := range c.Follow(ctx, "") {
			if err != nil {
				return
			}
			if event.Kind == client.CaughtUp && !told {
				told = true
				close(live)
			}
		}
	}()
	select {
	case <-live:
	case <-time.After(time.Minute):
		t.Fatal("no feed is live after a minute")
	}
}

// use does with both servers what clients do, right and wrong.
func (o observed) use(ctx context.Context) {
	for _, d := range []device{o.sqlite, o.postgres} {
		id := signing.NewNonce().String()
		d.ask(ctx, time.Now(), `mutation { setRecord(input: {id: "`+id+`", data: ""}) { status } }`)
		d.ask(ctx, time.Now(), `mutation { deleteRecord(input: {id: "`+id+`", revision: 0}) { status } }`)
		d.ask(ctx, time.Now(), `mutation { writeRecords(input: {writes: [{set: {id: "`+id+`b", data: ""}}]}) { status } }`)
		d.ask(ctx, time.Now(), `mutation { setLock(input: {name: "a", instanceId: "b"}) { status } }`)
		d.ask(ctx, time.Now().Add(-time.Hour), `{ viewer { id } }`)
		d.ask(ctx, time.Time{}, `{ viewer { id } }`)
		for _, subscription := range []string{"recordChanged { kind }", `lockChanged(name: "a") { locked }`} {
			d.ask(ctx, time.Now(), "subscription { "+subscription+" }")
		}
		stranger := d
		stranger.key, _ = signing.GenerateKey()
		stranger.ask(ctx, time.Now(), `mutation { setRecord(input: {id: "a", data: ""}) { status } }`)
	}
	if stream, err := o.breez.ListenChanges(ctx, connect.NewRequest(&syncpb.ListenChangesRequest{})); err == nil {
		stream.Receive() // it is not signed
		stream.Close()
	}
	at := uint32(time.Now().Unix())
	set := &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: signing.NewNonce().String()}, RequestTime: at}
	set.Signature = o.postgres.signText(fmt.Sprintf("%s--0--%d", set.GetRecord().GetId(), at))
	_, _ = o.breez.SetRecord(ctx, connect.NewRequest(set)) // what the servers show of it is waited for
}

// list asks as one of Breez data-sync's clients.
func (o observed) list(ctx context.Context) error {
	list := &syncpb.ListChangesRequest{RequestTime: uint32(time.Now().Unix())}
	list.Signature = o.postgres.signText(fmt.Sprintf("0-%d", list.GetRequestTime()))
	_, err := o.breez.ListChanges(ctx, connect.NewRequest(list))
	return err
}

// fail has the second server meet one fault that it has no name for, in each of two protocols, and lose Redis.
func (o observed) fail(t *testing.T) {
	t.Helper()
	database, err := pgx.Connect(t.Context(), o.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close(context.Background())
	for _, statement := range []string{"ALTER TABLE syncline_records RENAME TO away", "ALTER TABLE away RENAME TO syncline_records"} {
		if _, err := database.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(statement, "away") {
			if answer := o.postgres.ask(t.Context(), time.Now(), `{ record(id: "never") { id } }`); !strings.Contains(answer, "INTERNAL") {
				t.Fatalf("a table is gone, and the answer is %s", answer)
			}
			if err := o.list(t.Context()); connect.CodeOf(err) != connect.CodeInternal {
				t.Fatalf("a table is gone, and Breez data-sync's client hears %v", err)
			}
		}
	}
	o.redis.Kill()
}

// device signs requests.
type device struct {
	http *http.Client
	url  string
	key  signing.PrivateKey
}

func newKey(t *testing.T) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signText signs as Breez data-sync's clients do.
func (d device) signText(text string) string {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	signature := signing.Sign(d.key, string(first[:])) // of SHA-256 of it
	return base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding).EncodeToString(signature[:])
}

// ask sends a document, signed at that time, or not at all at none, and answers the beginning of what comes. A subscription is left
// after its first event.
func (d device) ask(ctx context.Context, signed time.Time, document string) (answer string) {
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(document, "subscription") {
		r.Header.Set("Accept", "text/event-stream")
	}
	if !signed.IsZero() {
		if err := signing.SignRequest(r, body, d.key, signed, signing.NewNonce()); err != nil {
			return err.Error()
		}
	}
	response, err := d.http.Do(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	beginning := make([]byte, 4096)
	n, _ := response.Body.Read(beginning)
	return string(beginning[:n])
}
