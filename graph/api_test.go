package graph_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/transport"
	"syncline/internal/budget"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/records"
)

// waitLimit bounds every wait for something that must happen.
const waitLimit = time.Minute

// api is the whole API over a database, without signatures: a header names the
// owner for whom a request counts as signed.
type api struct {
	url   string
	db    *storage.DB
	clock *clock
	log   *syncBuffer
}

type options struct {
	store           record.Store // nil: the database
	locker          locks.Locker // nil: the database
	noIntrospection bool
	quota           record.Quota
	mayBegin        func(context.Context) bool      // nil: everybody may become an owner
	tombstones      time.Duration                   // are remembered; 0: for ever
	middleware      func(http.Handler) http.Handler // nil: none
	input, output   *budget.Pool                    // nil: no bound
	limiter         graph.Limiter                   // nil: none
}

const ownerHeader = "Test-Owner"

func newAPI(t testing.TB, opts options) *api {
	t.Helper()
	a := &api{clock: &clock{}, log: &syncBuffer{}}
	log := slog.New(slog.NewTextHandler(a.log, nil))
	if opts.store == nil || opts.locker == nil {
		a.db = testservers.SQLite(t)
	}
	if opts.store == nil {
		opts.store = records.New(a.db, a.db.NewEngine())
	}
	if opts.locker == nil {
		inDB := locker.New(a.db, a.db.NewEngine())
		inDB.SetClock(a.clock.Now)
		opts.locker = inDB
	}
	bus := inproc.New()
	records := record.NewService(opts.store, bus, log)
	records.LimitOwners(opts.quota)
	records.AdmitOwners(opts.mayBegin)
	lockService := locks.NewService(opts.locker, bus, time.Hour, log)
	lockService.AdmitOwners(records.Admit)
	srv := graph.NewServer(graph.Config{
		Records:       records,
		Feed:          feed.New(records, bus, time.Hour, log),
		Locks:         lockService,
		Log:           log,
		Introspection: !opts.noIntrospection,
		Limiter:       opts.limiter,

		TombstoneRetention: opts.tombstones,
		Quota:              opts.quota,
	})
	transports := transport.New(transport.Config{
		Input: opts.input, Output: opts.output,
		Init: func(ctx context.Context, _ *http.Request, payload map[string]any) (context.Context, error) {
			name, _ := payload["owner"].(string)
			return signed(ctx, name), nil
		},
	})
	transports.Install(srv)
	var handler http.Handler = srv
	if opts.middleware != nil {
		handler = opts.middleware(handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(signed(r.Context(), r.Header.Get(ownerHeader))))
	}))
	t.Cleanup(func() {
		_ = transports.Shutdown(context.Background())
		server.Close()
	})
	a.url = server.URL
	return a
}

// signed is a context as auth makes it for a verified request; an empty name
// stands for none.
func signed(ctx context.Context, owner string) context.Context {
	if owner == "" {
		return ctx
	}
	var key signing.PublicKey
	key[0] = 2
	copy(key[1:], owner)
	return auth.NewContext(ctx, auth.Principal{Key: key})
}

// keyOf is what viewer.id shows.
func keyOf(owner string) string {
	var key signing.PublicKey
	key[0] = 2
	copy(key[1:], owner)
	return hex.EncodeToString(key[:])
}

// clock is that of the locks: the real time, and what it was moved by.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// client sends what one owner signs; an empty owner signs nothing.
type client struct {
	api   *api
	owner string
}

func (a *api) as(owner string) client { return client{a, owner} }

type vars = map[string]any

type answer struct {
	status int
	body   string
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
	Extensions map[string]any
}

func (c client) post(t *testing.T, accept string, body any) *http.Response {
	t.Helper()
	raw, isRaw := body.([]byte)
	if !isRaw {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.api.url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set(ownerHeader, c.owner)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// do sends a document and reads the answer, whatever it is.
func (c client) do(t *testing.T, query string, variables vars) answer {
	t.Helper()
	return c.send(t, map[string]any{"query": query, "variables": variables})
}

func (c client) send(t *testing.T, body any) answer {
	t.Helper()
	resp := c.post(t, "application/graphql-response+json", body)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, body: string(text)}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, clip(a.body), err)
	}
	return a
}

// ok sends a document that must succeed, and gives its data.
func (c client) ok(t *testing.T, query string, variables vars) tree {
	t.Helper()
	a := c.do(t, query, variables)
	if a.status != http.StatusOK || len(a.Errors) > 0 {
		t.Fatalf("status %d: %s", a.status, clip(a.body))
	}
	return tree{t, a.Data}
}

// refusal is what an error tells.
type refusal struct {
	status int
	code   string
	field  string // of BAD_USER_INPUT
}

func (a answer) refusal(t *testing.T) refusal {
	t.Helper()
	if len(a.Errors) == 0 {
		t.Fatalf("no error in status %d: %s", a.status, clip(a.body))
	}
	ext := a.Errors[0].Extensions
	code, _ := ext["code"].(string)
	field, _ := ext["field"].(string)
	return refusal{a.status, code, field}
}

// refused sends a document that must fail in one way.
func (c client) refused(t *testing.T, query string, variables vars, want refusal) answer {
	t.Helper()
	a := c.do(t, query, variables)
	if got := a.refusal(t); got != want {
		t.Fatalf("got %+v, want %+v: %s", got, want, clip(a.body))
	}
	return a
}

func clip(s string) string { return s[:min(len(s), 600)] }

// tree walks through JSON.
type tree struct {
	t *testing.T
	v any
}

// at follows names and indexes.
func (n tree) at(path ...any) tree {
	n.t.Helper()
	v := n.v
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := v.(map[string]any)
			if !ok {
				n.t.Fatalf("no %q in %v", step, v)
			}
			if v, ok = object[step]; !ok {
				n.t.Fatalf("no %q in %v", step, object)
			}
		case int:
			list, ok := v.([]any)
			if !ok || step >= len(list) {
				n.t.Fatalf("no element %d in %v", step, v)
			}
			v = list[step]
		}
	}
	return tree{n.t, v}
}

func (n tree) text() string {
	n.t.Helper()
	switch v := n.v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	b, _ := json.Marshal(n.v)
	return string(b)
}

func (n tree) len() int {
	n.t.Helper()
	list, ok := n.v.([]any)
	if !ok {
		n.t.Fatalf("not a list: %v", n.v)
	}
	return len(list)
}

// is compares the text of what stands at a path.
func (n tree) is(want string, path ...any) {
	n.t.Helper()
	if got := n.at(path...).text(); got != want {
		n.t.Errorf("%v: got %s, want %s", path, got, want)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const recordFields = "{id data revision schemaVersion deleted clientId updatedAt}"

const (
	setRecord    = "mutation($input: SetRecordInput!) {setRecord(input: $input) {status newRevision replayed record " + recordFields + "}}"
	deleteRecord = "mutation($input: DeleteRecordInput!) {deleteRecord(input: $input) {status newRevision replayed record " + recordFields + "}}"
	writeRecords = "mutation($input: WriteRecordsInput!) {writeRecords(input: $input) {status replayed results {status newRevision replayed record " + recordFields + "}}}"
	setLock      = "mutation($input: SetLockInput!) {setLock(input: $input) {status renewed token expiresAt lock " + lockFields + "}}"
	lockFields   = "{name locked exclusive holders {instanceId token expiresAt}}"
	changes      = "query($since: Cursor, $first: Int! = 100) {changes(since: $since, first: $first) {cursor hasMore head records " + recordFields + "}}"
	viewer       = "{viewer {id head cursor recordCount storedBytes}}"
)

func (c client) set(t *testing.T, id, data string, revision int) tree {
	t.Helper()
	return c.ok(t, setRecord, vars{"input": vars{"id": id, "data": b64(data), "revision": revision}}).at("setRecord")
}

func (c client) delete(t *testing.T, id string, revision int) tree {
	t.Helper()
	return c.ok(t, deleteRecord, vars{"input": vars{"id": id, "revision": revision}}).at("deleteRecord")
}

func (c client) lock(t *testing.T, input vars) tree {
	t.Helper()
	return c.ok(t, setLock, vars{"input": input}).at("setLock")
}

func (c client) viewer(t *testing.T) tree {
	t.Helper()
	return c.ok(t, viewer, nil).at("viewer")
}
