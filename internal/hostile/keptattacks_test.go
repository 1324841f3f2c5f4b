//go:build !race

package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

func now() time.Time { return time.Now() }

func recordID(i int) string { return fmt.Sprintf("large-%d", i) }

// megabyte is almost as long as a request may be.
var megabyte = strings.Repeat("x", 1000<<10)

const followLock = `subscription N($n:String!){lockChanged(name:$n){locked}}`

var keptText = []attack{
	{
		"documents that are cached", "each document is new, so that a cache fills",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 16, func(i int) []byte {
				return a.post(poor(i), document(fmt.Sprintf(`query A%d {limits{%s}}`, i, repeated(150, func(int) string { return "maxPage" })), nil))
			})
		},
	},
	{
		"ids of operations of 1 MB", "an id lives as long as its operation, and comes back with every event",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, poor, func(ws *websocket.Conn, _ int) error {
				return times(100, func(i int) error {
					return sendText(ws, subscribe(fmt.Sprint(i)+megabyte, `subscription{recordChanged{kind}}`, nil))
				})
			})
		},
	},
	{
		"events echo ids of 1 MB", "one small write is sent to 100 operations with their ids",
		func(ctx context.Context, a *attacker) {
			write := subscribe("w", `mutation{setRecord(input:{id:"echo",data:""}){status}}`, nil)
			a.sockets(ctx, 2, poor, func(ws *websocket.Conn, _ int) error {
				err := times(99, func(i int) error {
					return sendText(ws, subscribe(fmt.Sprint(i)+megabyte, `subscription{recordChanged{kind}}`, nil))
				})
				if err != nil {
					return err
				}
				return times(100, func(int) error { return sendText(ws, write) })
			})
		},
	},
	{
		"names of operations that pin their messages", "a part of a text keeps the whole",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, poor, func(ws *websocket.Conn, _ int) error {
				return times(100, func(i int) error {
					return sendText(ws, []byte(fmt.Sprintf(`{"id":"%d","type":"subscribe","payload":{"operationName":"N","variables":{"n":"a"},"query":%q,"padding":%q}}`, i, followLock, megabyte)))
				})
			})
		},
	},
	{
		"names of locks that pin their messages", "the same by a variable that lives on",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, poor, func(ws *websocket.Conn, _ int) error {
				return times(100, func(i int) error {
					return sendText(ws, subscribe(fmt.Sprint(i), followLock, map[string]any{"n": fmt.Sprint("lock", i), "padding": megabyte}))
				})
			})
		},
	},
	{
		"cursors to resume of 1 MB", "what a client may resume waits for its operation",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 200, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), map[string]any{"resume": map[string]any{"a": megabyte}})
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("let in")
				untilCut(ctx, ws.NetConn())
				return nil
			})
		},
	},
	{
		"10,000 cursors to resume", "a map for each socket, as large as a message may be",
		func(ctx context.Context, a *attacker) {
			resume := make(map[string]any)
			for i := range 10_000 {
				resume[fmt.Sprint(i)] = "AdJ0VUS1_VdvAg"
			}
			a.crowd(ctx, 200, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), map[string]any{"resume": resume})
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("let in")
				untilCut(ctx, ws.NetConn())
				return nil
			})
		},
	},
	{
		"event streams with a padded body", "a request's body lives as long as its stream",
		func(ctx context.Context, a *attacker) {
			body := []byte(fmt.Sprintf(`{"query":"subscription{recordChanged{kind}}","padding":%q}`, megabyte))
			a.hold(ctx, 300, func(i int) []byte { return a.post(poor(i), body, "Accept", "text/event-stream") })
		},
	},
	{
		"completions of operations that are not there", "an end may be remembered before its beginning",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 20, poor, func(ws *websocket.Conn, _ int) error {
				return times(1<<20, func(i int) error {
					return sendText(ws, []byte(fmt.Sprintf(`{"id":"%d-%s","type":"complete"}`, i, megabyte[:1000])))
				})
			})
		},
	},
}

var unfinishedRequests = []attack{
	{
		"chunked bodies without an end", "a body whose length nobody told",
		func(ctx context.Context, a *attacker) {
			head := "POST /graphql HTTP/1.1\r\nHost: " + a.target + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
			wire := []byte(head + strings.Repeat("1;"+strings.Repeat("e", 200)+"\r\nx\r\n", 5000))
			a.hold(ctx, 300, func(int) []byte { return wire })
		},
	},
	{
		"400 bodies one byte short, unsigned", "a body is held until it is whole",
		func(ctx context.Context, a *attacker) {
			body := a.post(unsigned, []byte(`{"query":"`+megabyte+`"}`))
			a.hold(ctx, 400, func(int) []byte { return body[:len(body)-1] })
		},
	},
	{
		"400 bodies one byte short, signed", "headers that verify promise nothing about the body",
		func(ctx context.Context, a *attacker) {
			body := []byte(`{"query":"` + megabyte + `"}`)
			a.hold(ctx, 400, func(i int) []byte {
				wire := a.post(poor(i), body)
				return wire[:len(wire)-1]
			})
		},
	},
	{
		"bodies that trickle in", "each byte moves a deadline on",
		func(ctx context.Context, a *attacker) {
			body := a.post(unsigned, []byte(`{"query":"`+megabyte+`"}`))
			a.trickle(ctx, 300, 16<<10, 30*time.Millisecond, func(int) []byte { return body })
		},
	},
	{
		"headers without an end", "a header is read before anything is known",
		func(ctx context.Context, a *attacker) {
			wire := []byte("POST /graphql HTTP/1.1\r\nHost: " + a.target + "\r\nX-A: " + strings.Repeat("a", 30<<10))
			a.hold(ctx, 1000, func(int) []byte { return wire })
		},
	},
	{
		"headers that trickle in", "slowloris",
		func(ctx context.Context, a *attacker) {
			wire := []byte("POST /graphql HTTP/1.1\r\n" + strings.Repeat("X-A: b\r\n", 3000))
			a.trickle(ctx, 500, 8, 20*time.Millisecond, func(int) []byte { return wire })
		},
	},
	{
		"many small headers", "a map of 2,000 names for each request",
		func(ctx context.Context, a *attacker) {
			wire := []byte("POST /graphql HTTP/1.1\r\nHost: " + a.target + "\r\n" + repeatedTight(2000, func(i int) string { return fmt.Sprintf("X-%d: b\r\n", i) }) + "Content-Length: 9\r\n\r\n")
			a.hold(ctx, 400, func(int) []byte { return wire })
		},
	},
	{
		"Expect: 100-continue", "a client that waits to be asked for its body",
		func(ctx context.Context, a *attacker) {
			wire := []byte("POST /graphql HTTP/1.1\r\nHost: " + a.target + "\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			a.hold(ctx, 500, func(int) []byte { return wire })
		},
	},
	{
		"frames one byte short, before connection_init", "a message is held until it is whole",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 300, func(ctx context.Context, _ int) error {
				ws, err := a.knock(ctx)
				if err != nil {
					return err
				}
				defer ws.Close()
				return a.rawFrame(ctx, ws, len(megabyte), megabyte[1:])
			})
		},
	},
	{
		"frames one byte short, from owners", "the same after connection_ack",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 300, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), nil)
				if err != nil {
					return err
				}
				defer ws.Close()
				return a.rawFrame(ctx, ws, len(megabyte), megabyte[1:])
			})
		},
	},
	{
		"a message in a million fragments", "each fragment has a header and no end",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 50, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, poor(i), nil)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("let in")
				first, further := frame(0x01, 1, "x"), frame(0x00, 1, "x")
				wire := append(first, []byte(strings.Repeat(string(further), 10_000))...)
				return times(100, func(i int) error {
					_, err := ws.NetConn().Write(wire[min(i, 1)*len(first):])
					return err
				})
			})
		},
	},
	{
		"requests that are given up", "work goes on for a client that is gone",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 30, func(ctx context.Context, i int) error {
				conn, err := a.dial(ctx)
				if err != nil {
					return err
				}
				defer conn.Close()
				a.note("asked and left")
				_, err = conn.Write(a.post(rich(i), document(fivePages, nil)))
				pause(ctx, 5*time.Millisecond)
				return err
			})
		},
	},
}
