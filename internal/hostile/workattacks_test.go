//go:build !race

package hostile

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
)

const (
	setMany = `mutation($w:[RecordWrite!]!){writeRecords(input:{writes:$w}){status}}`
	setOne  = `mutation($i:SetRecordInput!){setRecord(input:$i){status}}`
	lockOne = `mutation($n:String!,$i:ID!){setLock(input:{name:$n,instanceId:$i,exclusive:false,ttlSeconds:300}){status}}`
)

// largeBatch is the body of a request of 0.96 MB: 11 records of 64 KiB.
func largeBatch(i int) []byte {
	var writes []string
	for j := range 11 {
		writes = append(writes, fmt.Sprintf(`{"set":{"id":"%d-%d-%d","data":"%s"}}`, i, j, time.Now().UnixNano(), largeData))
	}
	return fmt.Appendf(nil, `{"query":%q,"variables":{"w":[%s]}}`, setMany, strings.Join(writes, ","))
}

// largeData is as much as a record may have.
var largeData = base64.StdEncoding.EncodeToString(make([]byte, 64<<10))

var ownersWork = []attack{
	{
		"a thousand new owners that write", "each has an account, and its own turn",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 64, func(i int) []byte {
				return a.post(poor(1000+i), document(setOne, map[string]any{"i": map[string]any{"id": "a", "data": ""}}))
			})
		},
	},
	{
		"150 writes of a megabyte at once", "bodies, values and statements of all at once",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 150, func(i int) []byte { return a.post(poor(i%20), largeBatch(i)) })
		},
	},
	{
		"writes of a megabyte on sockets", "100 operations of a socket at a time",
		func(ctx context.Context, a *attacker) {
			a.sockets(ctx, 10, poor, func(ws *websocket.Conn, i int) error {
				return times(100, func(j int) error {
					body := largeBatch(i*100 + j)
					return sendText(ws, append(fmt.Appendf(nil, `{"id":"%d","type":"subscribe","payload":`, j), append(body, '}')...))
				})
			})
		},
	},
	{
		"one owner's writes to one record", "contention, and a conflict for most",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 64, func(i int) []byte {
				return a.post(poor(1), document(setOne, map[string]any{"i": map[string]any{"id": "contended", "data": "", "revision": i}}))
			})
		},
	},
	{
		"mutation ids", "each is remembered for 30 days",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(i int) []byte {
				id := fmt.Sprintf("%d-%d", i, time.Now().UnixNano())
				return a.post(poor(2), document(setOne, map[string]any{"i": map[string]any{"id": id, "data": "", "mutationId": id}}))
			})
		},
	},
	{
		"locks without number", "each is a row, and a token",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(i int) []byte {
				return a.post(poor(i%100), document(lockOne, map[string]any{"n": fmt.Sprint(strings.Repeat("x", 200), i), "i": "a"}))
			})
		},
	},
	{
		"one lock with as many holders as can be", "its state is told to each who follows it",
		func(ctx context.Context, a *attacker) {
			go a.sockets(ctx, 4, constant(3), func(ws *websocket.Conn, _ int) error {
				return times(100, func(j int) error {
					return sendText(ws, subscribe(fmt.Sprint(j), `subscription{lockChanged(name:"shared"){holders{instanceId}}}`, nil))
				})
			})
			a.flood(ctx, 16, func(i int) []byte {
				return a.post(poor(3), document(lockOne, map[string]any{"n": "shared", "i": fmt.Sprint(i % 100)}))
			})
		},
	},
	{
		"pages, read as fast as they come", "an owner who only asks, without an end",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 8, func(i int) []byte { return a.post(rich(i), document(onePage, nil)) })
		},
	},
	{
		"pages, compressed", "a compressor for each answer",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 8, func(i int) []byte { return a.post(rich(i), document(onePage, nil), "Accept-Encoding", "zstd") })
		},
	},
	{
		"200 writes of one document", "a document's mutations run one after the other",
		func(ctx context.Context, a *attacker) {
			query := `mutation{` + repeated(50, func(i int) string { return fmt.Sprintf(`a%d:setRecord(input:{id:"r%d",data:""}){status}`, i, i) }) + `}`
			a.flood(ctx, 200, func(i int) []byte { return a.post(poor(i%50), document(query, nil)) })
		},
	},
	{
		"followers that come and go", "each replays 4 MiB and leaves",
		func(ctx context.Context, a *attacker) {
			a.crowd(ctx, 16, func(ctx context.Context, i int) error {
				ws, err := a.open(ctx, rich(i), nil)
				if err != nil {
					return err
				}
				defer ws.Close()
				a.note("let in")
				if err := sendText(ws, subscribe("a", `subscription{recordChanged(since:"0"){record{data}}}`, nil)); err != nil {
					return err
				}
				_, _, err = ws.ReadMessage()
				return err
			})
		},
	},
	{
		"events of large records to 400 followers", "one write of 64 KiB becomes 25 MB",
		func(ctx context.Context, a *attacker) {
			go a.sockets(ctx, 4, constant(4), operations(100, `subscription{recordChanged{record{data}}}`))
			a.flood(ctx, 2, func(i int) []byte {
				id := fmt.Sprintf("large-%d", time.Now().UnixNano())
				return a.post(poor(4), document(setOne, map[string]any{"i": map[string]any{"id": id, "data": make([]byte, 64<<10)}}))
			})
		},
	},
	{
		"cursors that are no cursors", "opaque positions that a client made up",
		func(ctx context.Context, a *attacker) {
			a.flood(ctx, 32, func(i int) []byte {
				return a.post(poor(i%10), document(`query($c:Cursor){changes(since:$c){head}}`, map[string]any{"c": strings.Repeat("AdJ0VUS1_", i%1000)}))
			})
		},
	},
}

func constant(i int) func(int) signing.PrivateKey {
	return func(int) signing.PrivateKey { return poor(i) }
}

// frame is a frame of WebSocket from a client, masked by zeros, that says it
// has size bytes.
func frame(kind byte, size int, payload string) []byte {
	wire := []byte{kind, 0x80 | 127}
	wire = binary.BigEndian.AppendUint64(wire, uint64(size))
	wire = append(wire, 0, 0, 0, 0)
	return append(wire, payload...)
}
