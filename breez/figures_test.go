package breez_test

import (
	"context"
	"encoding/hex"
	"io"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"connectrpc.com/connect"

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
		`syncline_operation_duration_seconds_count{field="breez.SetRecord",outcome="invalid_argument"} 1`,
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
		`msg=call call=SetRecord outcome=invalid_argument took=`,
		`msg=call call=unknown outcome=[a-z_]+ took=[^ ]+ agent=wallet/1\.2`,
	} {
		line := regexp.MustCompile(want)
		testservers.Await(t, want, func(context.Context) bool { return line.MatchString(server.Log()) })
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
