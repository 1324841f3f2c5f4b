//go:build !race

package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

var manyConnections = []attack{
	{
		"3000 idle connections", "each has a goroutine and buffers",
		func(ctx context.Context, a *attacker) { a.hold(ctx, 3000, func(int) []byte { return nil }) },
	},
	{
		"3000 kept connections", "a connection that once asked something keeps more",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 3000, func(int) []byte { return a.request("GET", "/livez", unsigned, now(), nil) })
		},
	},
	{
		"2000 sockets that never say who they are", "a socket waits for connection_init",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 2000, func(ctx context.Context, _ int) error {
				ws, err := a.knock(ctx)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("connected")
				untilCut(ctx, ws.NetConn())
				return io.EOF
			})
		},
	},
	{
		"1000 sockets of one key", "one owner with as many devices as he likes",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 1000, rich, func(ws *websocket.Conn, _ int) error {
				return sendText(ws, subscribe("a", `subscription{recordChanged{kind}}`, nil))
			})
		},
	},
	{
		"1000 sockets of a thousand keys", "keys cost nothing",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 1000, poor, func(ws *websocket.Conn, _ int) error {
				return sendText(ws, subscribe("a", `subscription{recordChanged{kind}}`, nil))
			})
		},
	},
	{
		"50 sockets with 100 subscriptions each", "5000 live feeds",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 50, poor, operations(100, `subscription{recordChanged{kind}}`))
		},
	},
	{
		"5000 locks that are followed", "each is read again at each poll",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 50, poor, func(ws *websocket.Conn, i int) error {
				return times(100, func(j int) error {
					return sendText(ws, subscribe(fmt.Sprint(j), followLock, map[string]any{"n": fmt.Sprintf("%d-%d", i, j)}))
				})
			})
		},
	},
	{
		"connect and leave", "accepting costs more than connecting",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 50, func(ctx context.Context, _ int) error {
				conn, err := a.dial(ctx)
				if err == nil {
					a.note("connected")
					conn.Close()
				}
				return err
			})
		},
	},
	{
		"upgrade and leave", "a socket is made and ended",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 50, func(ctx context.Context, _ int) error {
				ws, err := a.knock(ctx)
				if err == nil {
					a.note("connected")
					ws.Close()
				}
				return err
			})
		},
	},
	{
		"subscribe and complete", "an operation is made and ended, thousands of times on one socket",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, poor, func(ws *websocket.Conn, _ int) error {
				return times(1<<20, func(i int) error {
					if err := sendText(ws, subscribe(fmt.Sprint(i), `subscription{recordChanged(since:"0"){kind}}`, nil)); err != nil {
						return err
					}
					return sendText(ws, []byte(fmt.Sprintf(`{"id":"%d","type":"complete"}`, i)))
				})
			})
		},
	},
	{
		"messages that are no messages", "each is refused, and so is the next",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 20, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i%100), nil)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("let in")
				return sendText(ws, []byte([...]string{`{`, `{"type":"x"}`, `[]`, `{"type":"subscribe"}`, "\xff", `{"type":"subscribe","id":"a","payload":{"query":1}}`}[i%6]))
			})
		},
	},
	{
		"the playground, unread", "2 MB of files for every connection",
		func(ctx context.Context, a *attacker) {
			a.hold(ctx, 300, func(int) []byte { return a.request("GET", "/", unsigned, now(), nil) })
		},
	},
	{
		"questions about health", "each asks the database",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 50, func(int) []byte { return a.request("GET", "/readyz", unsigned, now(), nil) })
		},
	},
	{
		"preflights", "a browser's question before each request",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 50, func(int) []byte {
				return a.request("OPTIONS", "/graphql", unsigned, now(), nil, "Origin", "https://app.example", "Access-Control-Request-Method", "POST",
					"Access-Control-Request-Headers", strings.Repeat("x-a,", 5000))
			})
		},
	},
}

var unsignedDocuments = []attack{
	unsignedDocument(
		"writes without a signature", "validated in full before they are refused",
		`mutation{`+repeated(50, func(i int) string {
			return fmt.Sprintf(`a%d:setRecord(input:{id:"a",data:""}){status record{id data}}`, i)
		})+`}`),
	unsignedDocument(
		"2,900 directives that nobody knows", "each has an error of its own in the answer",
		`{limits{maxPage `+strings.Repeat("@a ", 2900)+`}}`),
	unsignedDocument(
		"30 aliases of the schema", "544 KB of answer for 700 bytes",
		`{`+repeated(30, func(i int) string { return fmt.Sprintf("a%d:__schema{types{name fields{name}}}", i) })+`}`),
	unsignedDocument(
		"2,900 long fields that nobody knows", "each is compared with every name of the schema",
		`{limits{`+repeated(2900, func(i int) string { return fmt.Sprintf("maxPageBytesMaxRecordBytesMaxRequestBytes%d", i) })+`}}`),
	unsignedDocument(
		"fragments that multiply", "each spreads the next twice",
		`{limits{...F0}}`+repeated(60, func(i int) string { return fmt.Sprintf("fragment F%d on Limits{...F%d ...F%d}", i, i+1, i+1) })+`fragment F60 on Limits{maxPage}`),
	unsignedDocument(
		"one field 2,900 times", "fields of one name are compared in pairs",
		`{limits{`+strings.Repeat("maxPage ", 2900)+`}}`),
	unsignedDocument(
		"the schema, 15 levels deep", "types of types of types",
		`{__schema{types{`+strings.Repeat("fields{type{", 7)+"name"+strings.Repeat("}}", 7)+`}}}`),
	unsignedDocument(
		"2,900 variables that nobody uses", "each has an error of its own, too",
		`query(`+repeated(1400, func(i int) string { return fmt.Sprintf("$a%d:X", i) })+`){limits{maxPage}}`),
	unsignedDocument(
		"1,000 operations", "only one runs, all are validated",
		repeated(900, func(i int) string { return fmt.Sprintf("query A%d{limits{maxPage}}", i) })),
	unsignedDocument(
		"50 times the limits", "what needs no signature costs little, once",
		`{`+repeated(50, func(i int) string { return fmt.Sprintf("a%d:limits{maxPage serverTime}", i) })+`}`),
	{
		"documents that do not parse", "each answer shows where",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 16, func(i int) []byte {
				return a.post(unsigned, document(strings.Repeat([...]string{"{", "}", "\"", "@", "$a:", "...", "&|!"}[i%7], 1+i%3000), nil))
			})
		},
	},
	{
		"documents in the URL", "another way in",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 16, func(i int) []byte {
				return a.request("GET", fmt.Sprintf("/graphql?query=%%7Blimits%%7B%s%%7D%%7D&variables=%s", strings.Repeat("maxPage,", 2000), strings.Repeat("%7B", 1000)), unsigned, now(), nil)
			})
		},
	},
}

// unsignedDocument floods the server with one document that nobody signed.
func unsignedDocument(name, why, query string) attack {
	return attack{name, why, func(ctx context.Context, a *attacker) {
		body := document(query, nil)
		a.flood(ctx, 16, func(int) []byte { return a.post(unsigned, body) })
	}}
}

var signatureAttacks = []attack{
	{
		"one key fills the memory of nonces", "a nonce is kept until its signature is too old; from 55 s ahead that is longest",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(int) []byte {
				return a.request("POST", "/graphql", rich(0), now().Add(55*time.Second), document(`{__typename}`, nil))
			})
		},
	},
	{
		"a thousand keys fill the memory of nonces", "a share for each key is not enough when keys are free",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(i int) []byte {
				return a.request("POST", "/graphql", poor(i%1000), now().Add(55*time.Second), document(`{__typename}`, nil))
			})
		},
	},
	{
		"signatures that somebody else made", "the costly part of verification, for nothing",
		func(ctx context.Context, a *attacker) {
			right := a.post(rich(0), document(`{viewer{id}}`, nil))
			at := bytes.Index(right, []byte("Signature: sig=:")) + len("Signature: sig=:IAAA")
			a.flood(ctx, 32, func(i int) []byte {
				wrong := bytes.Clone(right)
				copy(wrong[at:], fmt.Sprintf("%08d", i%100_000_000)) // of r: another point, or none
				return wrong
			})
		},
	},
	{
		"signatures over another body", "verified as far as can be, then refused",
		func(ctx context.Context, a *attacker) {
			body := document(`{viewer{id}}`, strings.Repeat("x", 900<<10))
			a.flood(ctx, 16, func(i int) []byte {
				return bytes.Replace(a.post(poor(i), body), []byte("viewer"), []byte("VIEWER"), 1)
			})
		},
	},
	{
		"a request again and again", "a nonce that was seen",
		func(ctx context.Context, a *attacker) {
			wire := a.post(rich(0), document(`{viewer{id}}`, nil))
			a.flood(ctx, 32, func(int) []byte { return wire })
		},
	},
	{
		"sockets with a wrong signature", "each has an upgrade and a verification",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 32, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), map[string]any{"signature": "sig=:" + strings.Repeat("A", 88) + ":"})
				if err == nil {
					ws.Close()
					a.note("let in by a wrong signature")
				}
				return err
			})
		},
	},
	{
		"sockets that are let in and leave", "each connection_init is kept by the database",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 32, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), nil)
				if err == nil {
					a.note("let in")
					ws.Close()
				}
				return err
			})
		},
	},
	{
		"headers that are no signatures", "parsers of structured fields",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(i int) []byte {
				return a.post(unsigned, document(`{viewer{id}}`, nil), "Signature-Input", "sig=("+strings.Repeat(`"@method" `, i%2000)+")", "Signature", "sig=:"+strings.Repeat("A", i%20_000)+":")
			})
		},
	},
}
