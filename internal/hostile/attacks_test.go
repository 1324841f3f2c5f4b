//go:build !race

package hostile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// attack is one way to harm the server or its users. It goes on until ctx ends.
type attack struct {
	name string
	why  string // what it would do to a server that is not ready for it
	run  func(ctx context.Context, a *attacker)
}

// group is attacks on one thing.
type group struct {
	name    string
	attacks []attack
	slowest time.Duration // what the p99 of honest users may be in any case
}

var groups = []group{
	{"answers that nobody reads", unreadAnswers, slowestForMemory},
	{"input that grows", growingInput, slowestForMemory},
	{"text that is kept", keptText, slowestForMemory},
	{"requests that do not end", unfinishedRequests, slowestForMemory},
	{"connections", manyConnections, slowestForMemory},
	{"documents without a signature", unsignedDocuments, slowest},
	{"signatures", signatureAttacks, slowest},
	{"work of owners", ownersWork, slowest},
}

func attackNamed(name string) (attack, error) {
	for _, g := range groups {
		if i := slices.IndexFunc(g.attacks, func(a attack) bool { return a.name == name }); i >= 0 {
			return g.attacks[i], nil
		}
	}
	return attack{}, fmt.Errorf("there is no attack %q", name)
}

// The rich owners have a full page of the largest records.
const (
	richOwners  = 8
	richRecords = 64
)

// fivePages asks in a few bytes for 28 MB of answer, or for as much of it as
// the server gives.
var fivePages = `{` + repeated(5, func(i int) string { return fmt.Sprintf("a%d:changes(first:1000){records{data}}", i) }) + `}`

// onePage is 5.6 MB of answer.
const onePage = `{changes(first:1000){records{data}}}`

func repeated(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
		b.WriteByte(' ')
	}
	return b.String()
}

var unreadAnswers = []attack{
	{
		"100 event streams from the beginning", "a stalled follower may hold a page",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 100, func(i int) []byte {
				return a.post(rich(i), document(`subscription {recordChanged(since:"0"){record{data}}}`, nil), "Accept", "text/event-stream")
			})
		},
	},
	{
		"one socket asks for 100 answers of 28 MB", "answers queue for a reader that never comes",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 1, rich, operations(100, fivePages))
		},
	},
	{
		"a hundred sockets ask for 5 pages each", "each connection has a queue of its own",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 100, rich, operations(5, fivePages))
		},
	},
	{
		"200 requests for 28 MB over HTTP", "an answer is whole in memory until it is written",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 200, func(i int) []byte { return a.post(rich(i), document(fivePages, nil)) })
		},
	},
	{
		"200 requests for a page over GET", "the same, by another transport",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 200, func(i int) []byte {
				return a.request("GET", "/graphql?query=%7Bchanges(first:1000)%7Brecords%7Bdata%7D%7D%7D", rich(i), now(), nil)
			})
		},
	},
	{
		"100 compressed answers", "a compressor holds buffers beside the answer",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 100, func(i int) []byte {
				return a.post(rich(i), document(onePage, nil), "Accept-Encoding", [...]string{"zstd", "gzip"}[i%2])
			})
		},
	},
	{
		"pipelined requests for pages", "answers queue on one connection of HTTP",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 50, func(i int) []byte {
				var wire []byte
				for range 20 {
					wire = append(wire, a.post(rich(i), document(onePage, nil))...)
				}
				return wire
			})
		},
	},
	{
		"20 sockets with 100 subscriptions each", "2000 stalled followers",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, rich, operations(100, `subscription {recordChanged(since:"0"){record{data}}}`))
		},
	},
	{
		"all records by id", "a list of ids is bounded by its length, not by its bytes",
		func(ctx context.Context, a *attacker) {
			ids := make([]string, richRecords)
			for i := range ids {
				ids[i] = recordID(i)
			}
			body := document(`query($ids:[ID!]!){`+repeated(4, func(i int) string { return fmt.Sprintf("a%d:records(ids:$ids){data}", i) })+`}`, map[string]any{"ids": ids})
			a.hold(ctx, 100, func(i int) []byte { return a.post(rich(i), body) })
		},
	},
	{
		"50 aliases of one record", "each alias reads and writes the data again",
		func(ctx context.Context, a *attacker) {
			body := document(`{`+repeated(50, func(i int) string { return fmt.Sprintf(`a%d:record(id:"%s"){data}`, i, recordID(0)) })+`}`, nil)
			a.hold(ctx, 150, func(i int) []byte { return a.post(rich(i), body) })
		},
	},
	{
		"conflicts that answer with 64 records", "a small batch of deletes is answered with every winner",
		func(ctx context.Context, a *attacker) {
			deletes := make([]any, richRecords)
			for i := range deletes {
				deletes[i] = map[string]any{"delete": map[string]any{"id": recordID(i), "revision": 1 << 40}}
			}
			body := document(`mutation($w:[RecordWrite!]!){writeRecords(input:{writes:$w}){results{record{data}}}}`, map[string]any{"w": deletes})
			a.hold(ctx, 100, func(i int) []byte { return a.post(rich(i), body) })
		},
	},
	{
		"pongs that nobody reads", "the payload of a ping comes back",
		func(ctx context.Context, a *attacker) {
			ping := []byte(`{"type":"ping","payload":{"a":"` + strings.Repeat("x", 1000<<10) + `"}}`)
			a.sockets(ctx, 50, rich, func(ws *websocket.Conn, _ int) error { return times(20, func(int) error { return sendText(ws, ping) }) })
		},
	},
	{
		"control frames of WebSocket", "each ping frame asks for an answer",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, rich, func(ws *websocket.Conn, _ int) error {
				return times(1<<20, func(int) error { return writeControl(ws, strings.Repeat("x", 125)) })
			})
		},
	},
	{
		"readers of one byte at a time", "a reader that is slow, not stopped, keeps deadlines away",
		func(ctx context.Context, a *attacker) {
			a.sip(ctx, 100, func(i int) []byte { return a.post(rich(i), document(fivePages, nil)) })
		},
	},
}

// operations sends n operations of one document.
func operations(n int, query string) func(ws *websocket.Conn, _ int) error {
	return func(ws *websocket.Conn, _ int) error {
		return times(n, func(i int) error { return sendText(ws, subscribe(fmt.Sprint(i), query, nil)) })
	}
}

func times(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// million is a text of about 1 MiB in a JSON object, made of one piece again and again.
func million(piece string) string {
	return strings.TrimSuffix(strings.Repeat(piece+",", 1020<<10/(len(piece)+1)), ",")
}

func inVariables(list string) []byte {
	return []byte(`{"query":"{limits{maxPage}}","variables":{"a":[` + list + `]}}`)
}

var growingInput = []attack{
	{
		"lists in lists, half a million deep", "a parser that recurses needs a stack as deep",
		func(ctx context.Context, a *attacker) {
			body := inVariables(strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000))
			a.flood(ctx, 32, func(int) []byte { return a.post(unsigned, body) })
		},
	},
	{
		"150,000 maps in variables, unsigned", "1 MiB of JSON becomes 54 MB",
		func(ctx context.Context, a *attacker) {
			body := inVariables(million(`{"":0}`))
			a.flood(ctx, 32, func(int) []byte { return a.post(unsigned, body) })
		},
	},
	{
		"150,000 maps in variables, signed", "the same from a known owner",
		func(ctx context.Context, a *attacker) {
			body := inVariables(million(`{"":0}`))
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"150,000 maps before connection_init", "a socket reads before it knows whose it is",
		func(ctx context.Context, a *attacker) {
			message := []byte(`{"type":"ping","payload":{"a":[` + million(`{"":0}`) + `]}}`)
			a.crowd(ctx, 32, func(ctx context.Context, _ int) error {
				ws, err := a.knock(ctx)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("connected")
				return times(50, func(int) error { return sendText(ws, message) })
			})
		},
	},
	{
		"150,000 maps in connection_init", "the first message has a payload, too",
		func(ctx context.Context, a *attacker) {
			message := []byte(`{"type":"connection_init","payload":{"a":[` + million(`{"":0}`) + `]}}`)
			a.crowd(ctx, 32, func(ctx context.Context, _ int) error {
				ws, err := a.knock(ctx)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("connected")
				if err := sendText(ws, message); err != nil {
					return err
				}
				_, _, err = ws.ReadMessage()
				return err
			})
		},
	},
	{
		"150,000 maps in operations of a socket", "100 operations of a socket at a time",
		func(ctx context.Context, a *attacker) {
			message := []byte(`{"id":"a","type":"subscribe","payload":` + string(inVariables(million(`{"":0}`))) + `}`)
			a.sockets(ctx, 32, poor, func(ws *websocket.Conn, _ int) error {
				return times(50, func(int) error { return sendText(ws, message) })
			})
		},
	},
	{
		"empty lists", "half a million values in 1 MiB",
		func(ctx context.Context, a *attacker) {
			body := inVariables(million("[]"))
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"an object of 200,000 names", "a map that grows is copied again and again",
		func(ctx context.Context, a *attacker) {
			body := []byte(`{"query":"{limits{maxPage}}","variables":{` + strings.TrimSuffix(repeatedTight(100_000, func(i int) string { return fmt.Sprintf(`"%d":0,`, i) }), ",") + `}}`)
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"escapes", "a text of escapes is decoded byte by byte",
		func(ctx context.Context, a *attacker) {
			body := inVariables(`"` + strings.Repeat(`\u00ff`, 170_000) + `"`)
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"a number of a million digits", "arithmetic of any precision is quadratic",
		func(ctx context.Context, a *attacker) {
			body := inVariables(strings.Repeat("9", 1000<<10))
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"values in extensions", "what is ignored is decoded all the same",
		func(ctx context.Context, a *attacker) {
			body := []byte(`{"query":"{limits{maxPage}}","extensions":{"a":[` + million("{}") + `]}}`)
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"a document of a megabyte", "a lexer reads to the end before anybody counts",
		func(ctx context.Context, a *attacker) {
			body := document("{limits{maxPage}}"+strings.Repeat("#\n", 500_000), nil)
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
	{
		"a literal list of a megabyte", "lists in a document are values, too",
		func(ctx context.Context, a *attacker) {
			body := document(`{records(ids:[`+strings.Repeat("a ", 500_000)+`]){id}}`, nil)
			a.flood(ctx, 32, func(i int) []byte { return a.post(poor(i), body) })
		},
	},
}

func repeatedTight(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}
