//go:build !race

package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
)

const (
	honestUsers = 8
	honestIDs   = 20                    // records of each
	honestPause = 50 * time.Millisecond // between a user's rounds of a write and a page
	// honestPatience is how long a user waits for an answer before it counts as failed.
	honestPatience = 20 * time.Second
)

// errBusy is that the server asked a user to try again later.
var errBusy = errors.New("the server is busy")

// honest are users who write, page and follow, each from an address of its own.
// They do not try again: what fails once has failed.
type honest struct {
	target string
	server func() time.Duration // the processor time that the server has had

	mu       sync.Mutex
	inFlight map[*operation]struct{}
	took     []cost // since the last round began
	failures []string
	busy     int // how often they were asked to try again later
}

// operation is a write, a page, or the event that a write is followed by.
type operation struct {
	what   string
	began  time.Time
	server time.Duration // the server's processor time then
}

// cost is what an operation takes: time, and the processor time that the server
// spends meanwhile, on whomever. The second is what the server does, and the
// first is also what else the machine does.
type cost struct{ time, work time.Duration }

func newHonest(target string, server func() time.Duration) *honest {
	return &honest{target: target, server: server, inFlight: make(map[*operation]struct{})}
}

// startHonest begins. The users stop when ctx ends.
func startHonest(ctx context.Context, t *testing.T, s *server) (h *honest, wait func()) {
	t.Helper()
	target := s.Address
	h = newHonest(target, s.processorTime)
	var running sync.WaitGroup
	for i := range honestUsers {
		address := fmt.Sprintf("127.0.2.%d", i+1)
		u := &user{honest: h, key: keyOf("honest", i), dialer: dialerFrom(address), http: newHTTPClient(address)}
		running.Go(func() { u.work(ctx) })
		running.Go(func() { u.follow(ctx) })
	}
	return h, running.Wait
}

func dialerFrom(address string) net.Dialer {
	return net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

func newHTTPClient(address string) *http.Client {
	dialer := dialerFrom(address)
	return &http.Client{Timeout: honestPatience, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 4}}
}

func (h *honest) begin(what string) *operation {
	op := &operation{what, time.Now(), h.server()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight[op] = struct{}{}
	return op
}

func (h *honest) end(ctx context.Context, op *operation, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.inFlight, op)
	switch {
	case err == nil:
		h.took = append(h.took, h.cost(op))
	case ctx.Err() != nil: // it was told to stop
	case errors.Is(err, errBusy) && !verify: // which is a time: beside other tests a wait is over before its turn comes
		h.busy++
	default:
		h.failures = append(h.failures, fmt.Sprintf("%s: %v", op.what, err))
	}
}

// cost is what an operation took until now.
func (h *honest) cost(op *operation) cost {
	// A server that was started again began at zero.
	return cost{time.Since(op.began), max(h.server()-op.server, 0)}
}

// round is what the users noticed in one: what the slowest hundredth took of the operations
// that ended in it and of those that are under way, how many ended, how many were to be tried
// again later, and what failed.
type round struct {
	p99      cost
	count    int
	busy     int
	failures []string
}

// ended is how many operations have ended in this round.
func (h *honest) ended() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.took)
}

// round ends a round and begins the next.
func (h *honest) round() round {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := round{count: len(h.took), busy: h.busy, failures: h.failures}
	var times, works []time.Duration
	for op := range h.inFlight {
		h.took = append(h.took, h.cost(op))
	}
	for _, c := range h.took {
		times, works = append(times, c.time), append(works, c.work)
	}
	h.took, h.busy, h.failures = nil, 0, nil
	if len(times) > 0 {
		slices.Sort(times)
		slices.Sort(works)
		r.p99 = cost{times[len(times)*99/100], works[len(works)*99/100]}
	}
	return r
}

// user is one of them.
type user struct {
	*honest
	key    signing.PrivateKey
	http   *http.Client
	dialer net.Dialer
	echoes echoes
}

// work writes and pages in turn.
func (u *user) work(ctx context.Context) {
	revisions := make(map[string]int64)
	for i := 0; ctx.Err() == nil; i++ {
		id := "note-" + strconv.Itoa(i%honestIDs)
		op := u.begin("write")
		revision, err := u.write(ctx, id, revisions[id])
		u.end(ctx, op, err)
		if err != nil { // whether it was applied is not known
			revisions = u.revisions(ctx)
			continue
		}
		revisions[id] = revision
		u.expect(ctx, revision)

		op = u.begin("page")
		_, err = u.page(ctx)
		u.end(ctx, op, err)
		pause(ctx, honestPause)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (u *user) write(ctx context.Context, id string, seen int64) (int64, error) {
	var out struct {
		SetRecord struct {
			Status      string
			NewRevision int64
		}
	}
	input := map[string]any{"id": id, "data": bytes.Repeat([]byte("honest "), 100), "revision": seen}
	err := u.call(ctx, `mutation($input: SetRecordInput!) { setRecord(input: $input) { status newRevision } }`, map[string]any{"input": input}, &out)
	if err == nil && out.SetRecord.Status != "SUCCESS" {
		err = fmt.Errorf("status %s for the only writer", out.SetRecord.Status)
	}
	return out.SetRecord.NewRevision, err
}

type changes struct {
	Changes struct {
		Records []struct {
			ID       string
			Revision int64
		}
		Head int64
	}
}

func (u *user) page(ctx context.Context) (changes, error) {
	var out changes
	err := u.call(ctx, `{ changes(first: 100) { records { id data revision } cursor hasMore head } }`, nil, &out)
	return out, err
}

// revisions are what the records are at now. It tries until the server answers.
func (u *user) revisions(ctx context.Context) map[string]int64 {
	for ctx.Err() == nil {
		out, err := u.page(ctx)
		if err == nil {
			at := make(map[string]int64)
			for _, r := range out.Changes.Records {
				at[r.ID] = r.Revision
			}
			return at
		}
		pause(ctx, honestPause)
	}
	return nil
}

// call sends one signed document.
func (u *user) call(ctx context.Context, document string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+u.target+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, body, u.key, time.Now(), signing.NewNonce()); err != nil {
		return err
	}
	res, err := u.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Data   json.RawMessage
		Errors json.RawMessage
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("HTTP %d: %w in %.200q", res.StatusCode, err, raw)
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("HTTP %d: %.300s: %w", res.StatusCode, answer.Errors, errBusy)
	}
	if answer.Errors != nil {
		return fmt.Errorf("HTTP %d: %.300s", res.StatusCode, answer.Errors)
	}
	return json.Unmarshal(answer.Data, out)
}

// follow keeps one live subscription: each write must come back on it. After
// a failure it connects again.
func (u *user) follow(ctx context.Context) {
	for ctx.Err() == nil {
		op := &operation{what: "follow"}
		err := u.followOnce(ctx)
		if websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
			err = fmt.Errorf("%w: %w", errBusy, err)
		}
		u.end(ctx, op, err)
		pause(ctx, honestPause)
	}
}

func (u *user) followOnce(ctx context.Context) error {
	ws, err := openSocket(ctx, u.dialer, u.target, u.key, nil)
	if err != nil {
		return err
	}
	defer ws.Close()
	stop := context.AfterFunc(ctx, func() { ws.Close() })
	defer stop()
	err = ws.WriteJSON(map[string]any{"id": "feed", "type": "subscribe", "payload": map[string]any{
		"query": `subscription { recordChanged { kind record { id revision } cursor } }`,
	}})
	if err != nil {
		return err
	}
	return u.events(ctx, ws)
}

// events reads live events until the connection fails.
func (u *user) events(ctx context.Context, ws *websocket.Conn) error {
	for ctx.Err() == nil {
		if err := ws.SetReadDeadline(time.Now().Add(honestPatience)); err != nil {
			return err
		}
		var message struct {
			Type    string
			Payload struct {
				Data struct {
					RecordChanged struct {
						Kind   string
						Record struct{ Revision int64 }
					}
				}
			}
		}
		if err := ws.ReadJSON(&message); err != nil {
			return err
		}
		event := message.Payload.Data.RecordChanged
		switch {
		case event.Kind == "CHANGED":
			u.saw(ctx, event.Record.Revision)
		case event.Kind == "CAUGHT_UP":
			u.live(ctx)
		case message.Type != "ping":
			return fmt.Errorf("the subscription ended with %q", message.Type)
		}
	}
	return ctx.Err()
}

// echoes are the acknowledged writes whose events have not come yet.
type echoes struct {
	mu      sync.Mutex
	newest  int64 // that came
	pending []echo
}

type echo struct {
	revision int64
	event    *operation
}

var errNoEvent = errors.New("no event tells of a write")

// expect is told of a write. The event of an earlier one may be overdue.
func (u *user) expect(ctx context.Context, revision int64) {
	u.echoes.mu.Lock()
	defer u.echoes.mu.Unlock()
	if revision > u.echoes.newest {
		u.echoes.pending = append(u.echoes.pending, echo{revision, u.begin("event")})
	}
	if overdue := u.echoes.pending; len(overdue) > 0 && time.Since(overdue[0].event.began) > honestPatience {
		u.drop(ctx, errNoEvent)
	}
}

// saw is told of an event, which may stand for several writes.
func (u *user) saw(ctx context.Context, revision int64) {
	u.echoes.mu.Lock()
	defer u.echoes.mu.Unlock()
	u.echoes.newest = revision
	for len(u.echoes.pending) > 0 && u.echoes.pending[0].revision <= revision {
		u.end(ctx, u.echoes.pending[0].event, nil)
		u.echoes.pending = u.echoes.pending[1:]
	}
}

// live is told that a connection begins: what was written before does not come on it.
func (u *user) live(ctx context.Context) {
	u.echoes.mu.Lock()
	defer u.echoes.mu.Unlock()
	u.drop(ctx, nil)
}

// drop ends the wait for events.
func (u *user) drop(ctx context.Context, err error) {
	for _, e := range u.echoes.pending {
		u.end(ctx, e.event, err)
	}
	u.echoes.pending = nil
}
