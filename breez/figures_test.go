package breez_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// Each call is counted under its name, and has a line in the log; what is open is shown.
func TestFigures(t *testing.T) {
	t.Parallel()
	metrics := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "METRICS_LISTEN_ADDRESS="+metrics, "LOG_LEVEL=info")
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	d.listen()
	d.set("a", nil, 0)
	_, err := d.trySet(t.Context(), nil)
	mustFail(t, err, connect.CodeInvalidArgument, "record must not be empty")
	next, stop := iter.Pull2(d.user.graphQL(t, server).Follow(t.Context(), ""))
	defer stop()
	if _, err, ok := next(); err != nil || !ok {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.Address+"/sync.Syncer/Other", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"User-Agent": {"curl"}, "X-User-Agent": {"wallet/1.2"}, "Content-Type": {"application/grpc-web+proto"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	for _, want := range []string{
		`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="ok"} 1`,
		`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="BAD_USER_INPUT"} 1`,
		`syncline_operation_duration_seconds_count{field="breez.unknown",outcome="`,
		"\nsyncline_breez_streams 1\n",
		"\nsyncline_connections{kind=\"websocket\"} 1\n",
	} {
		testservers.Await(t, want, func(ctx context.Context) bool {
			return strings.Contains(get(t, ctx, "http://"+metrics+"/metrics"), want)
		})
	}
	key := d.user.key.PubKey().SerializeCompressed()
	for _, want := range []string{
		`msg=call call=SetRecord owner=` + hex.EncodeToString(key[:6]) + ` outcome=ok took=[0-9.a-zµ]+ agent="?grpc-go-connect`,
		`msg=call call=SetRecord outcome=BAD_USER_INPUT took=`,
		`msg=call call=unknown outcome=BAD_USER_INPUT took=[^ ]+ agent=wallet/1\.2`,
	} {
		line := regexp.MustCompile(want)
		testservers.Await(t, want, func(context.Context) bool { return line.MatchString(server.Log()) })
	}
}

// shown are the figures of a server.
type shown struct {
	*testing.T
	address string
}

// mustShow waits until each line is there.
func (s shown) mustShow(lines ...string) {
	s.Helper()
	for _, line := range lines {
		testservers.Await(s.T, line, func(ctx context.Context) bool {
			return strings.Contains(get(s.T, ctx, "http://"+s.address+"/metrics"), "\n"+line+"\n")
		})
	}
}

// What fails is counted by the words of the GraphQL API, so that its alerts see it; what ends as it
// should, and a lock that another holds, is not refused.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	figures := shown{t, testservers.FreeAddress(t)}
	database := testservers.StartPostgres(t)
	server := testservers.StartSyncline(t, switchedOn, "METRICS_LISTEN_ADDRESS="+figures.address, "LOG_LEVEL=info", "DATABASE_URL="+database.NewURL(t), "QUOTA_RECORDS=1")
	figures.mustShow(`syncline_refusals_total{code="INTERNAL",what="call"} 0`) // an alert sees an increase of what was there
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}

	d.set("a", nil, 0)
	_, err := d.trySet(t.Context(), &syncpb.Record{Id: "b"})
	mustFail(t, err, connect.CodeResourceExhausted, "quota")
	_, err = d.client.ListChanges(t.Context(), connect.NewRequest(listRequest(d.user, 0, d.now()-400)))
	mustFail(t, err, connect.CodeInvalidArgument, "too far")
	_, err = d.client.GetLock(t.Context(), connect.NewRequest(&syncpb.GetLockRequest{LockName: "l", RequestTime: d.now()}))
	mustFail(t, err, connect.CodeUnauthenticated, "signature")
	_, err = d.trySet(t.Context(), &syncpb.Record{Id: "a", Data: make([]byte, 300_000)}) // is not read
	mustFail(t, err, connect.CodeResourceExhausted, "")
	lock := &syncpb.SetLockRequest{LockName: "l", InstanceId: phone, Acquire: true, Exclusive: true}
	if err := d.setLock(lock); err != nil {
		t.Fatal(err)
	}
	lock.InstanceId = laptop
	mustFail(t, d.setLock(lock), connect.CodeFailedPrecondition, "held")
	ctx, leave := context.WithCancel(t.Context())
	left, err := d.client.ListenChanges(ctx, connect.NewRequest(listenRequest(d.user, d.now())))
	if err != nil || !left.Receive() {
		t.Fatalf("%v, %v", err, left.Err())
	}
	leave()
	left.Close()
	for field, outcome := range map[string]string{
		"SetRecord": "QUOTA_EXCEEDED", "ListChanges": "SIGNATURE_EXPIRED", "GetLock": "UNAUTHENTICATED", "SetLock": "HELD", "ListenChanges": "ended",
	} {
		figures.mustShow(`syncline_operation_duration_seconds_count{field="breez.` + field + `",outcome="` + outcome + `"} 1`)
	}
	figures.mustShow(
		`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="BAD_USER_INPUT"} 1`,
		`syncline_refusals_total{code="BAD_USER_INPUT",what="call"} 1`,
		`syncline_refusals_total{code="INTERNAL",what="call"} 0`,
		`syncline_refusals_total{code="QUOTA_EXCEEDED",what="call"} 1`,
		`syncline_refusals_total{code="SIGNATURE_EXPIRED",what="call"} 1`,
		`syncline_refusals_total{code="UNAUTHENTICATED",what="call"} 1`)
	if text := get(t, t.Context(), "http://"+figures.address+"/metrics"); strings.Contains(text, `code="HELD"`) || strings.Contains(text, `code="ended"`) {
		t.Error("what is no refusal counts as one")
	}

	database.Stop()
	_, err = d.trySet(t.Context(), &syncpb.Record{Id: "a", Revision: 1})
	mustFail(t, err, connect.CodeUnavailable, "try again")
	figures.mustShow(
		`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="UNAVAILABLE"} 1`,
		`syncline_refusals_total{code="UNAVAILABLE",what="call"} 1`)
}

// What is refused before a call is read is counted, too, and has its line in the log: by a limit of the
// address, and while siblings serve another database. It is answered in the protocol of the call.
func TestOutcomesOfGuards(t *testing.T) {
	t.Parallel()
	redis, database := testservers.StartRedis(t), testservers.StartPostgres(t)
	limited, wrong := shown{t, testservers.FreeAddress(t)}, shown{t, testservers.FreeAddress(t)}
	one := testservers.StartSyncline(t, switchedOn, "METRICS_LISTEN_ADDRESS="+limited.address, "LOG_LEVEL=info", "RATE_LIMITS=on", "RATE_COST=1", "RATE_ADDRESS_FACTOR=1",
		"DATABASE_URL="+database.NewURL(t), "REDIS_URL="+redis.URL())
	claims := testservers.RedisClient(t, redis.URL())
	testservers.Await(t, "Redis knows whose database is served", func(ctx context.Context) bool {
		n, err := claims.Exists(ctx, "syncline:{database}:epochs").Result()
		return err == nil && n == 1
	})
	other := testservers.LaunchSyncline(t, switchedOn, "METRICS_LISTEN_ADDRESS="+wrong.address, "LOG_LEVEL=info", "DATABASE_URL="+database.NewURL(t), "REDIS_URL="+redis.URL())
	testservers.Await(t, "the other knows that it is", func(ctx context.Context) bool {
		return strings.Contains(get(t, ctx, "http://"+other.Address+"/readyz"), `"siblings":"another database"`)
	})
	device{t, newUser(t), protocols[0].client(t, one.Address), ""}.set("a", nil, 0) // which takes what a minute has, and more
	for _, p := range protocols {
		stranger := device{t, newUser(t), p.client(t, one.Address), ""}
		_, err := stranger.trySet(t.Context(), &syncpb.Record{Id: "a"})
		mustFail(t, err, connect.CodeResourceExhausted, "from this address")
		misled := device{t, newUser(t), p.client(t, other.Address), ""}
		_, err = misled.trySet(t.Context(), &syncpb.Record{Id: "a"})
		mustFail(t, err, connect.CodeUnavailable, "another database")
	}
	for _, test := range []struct {
		server  *testservers.Syncline
		figures shown
		outcome string
	}{{one, limited, "RATE_LIMITED"}, {other, wrong, "UNAVAILABLE"}} {
		test.figures.mustShow(
			fmt.Sprintf(`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="%s"} %d`, test.outcome, len(protocols)),
			fmt.Sprintf(`syncline_refusals_total{code="%s",what="call"} %d`, test.outcome, len(protocols)))
		line := regexp.MustCompile(`msg=call call=SetRecord outcome=` + test.outcome + ` took=[^ ]+ agent="?grpc-go-connect`)
		testservers.Await(t, line.String(), func(context.Context) bool { return line.MatchString(test.server.Log()) })
	}
}

func get(t *testing.T, ctx context.Context, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
