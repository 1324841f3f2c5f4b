package breez

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/breez/syncpb"
	"syncline/internal/budget"
	"syncline/record"
)

// errVerified is what a call comes to whose time is right.
var errVerified = errors.New("its certificate is looked at")

type verifierOfTimes struct{}

func (verifierOfTimes) ReadBody(http.ResponseWriter, *http.Request, int64) (io.ReadCloser, *budget.Grant, error) {
	return nil, nil, errVerified
}

func (verifierOfTimes) Admit(context.Context, string, func() (signing.PublicKey, error)) (auth.Principal, error) {
	return auth.Principal{}, errVerified
}

func (verifierOfTimes) Recheck(auth.Principal) error { return nil }

// A call's time is within 300 s of now, either way, and no second more.
func TestSkew(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := New(Config{Verifier: verifierOfTimes{}, Now: func() time.Time { return now }})
	for seconds, ok := range map[int64]bool{-301: false, -300: true, 0: true, 300: true, 301: false} {
		in := &syncpb.ListChangesRequest{RequestTime: uint32(now.Unix() + seconds)}
		_, _, err := verify(t.Context(), s, http.Header{}, in, listChangesText, ast.Query, 1)
		if ok && !errors.Is(err, errVerified) || !ok && (connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "request time too far from server time")) {
			t.Errorf("%d s: %v", seconds, err)
		}
	}
}

// Records that are encoded here are what the generated code makes of them.
func TestEncodedRecords(t *testing.T) {
	for _, r := range []record.Record{
		{},
		{ID: "a", Revision: 1},
		{ID: strings.Repeat("i", 200), Revision: record.MaxRevision, SchemaVersion: "1.2.3", Data: []byte("hello")},
		{ID: "fête", Revision: 127, Data: make([]byte, 65_536)},
		{ID: "é", Revision: 128, SchemaVersion: "1", Data: []byte{0}},
	} {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(&syncpb.ListChangesReply{Changes: []*syncpb.Record{
			{Id: r.ID, Revision: uint64(r.Revision), SchemaVersion: r.SchemaVersion, Data: r.Data},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := appendChange(nil, r); !bytes.Equal(got, want) {
			t.Errorf("%.20q: %.40x, want %.40x", r.ID, got, want)
		}
		if got := protowire.SizeTag(changesField) + protowire.SizeBytes(changeSize(r)); got != len(want) {
			t.Errorf("%.20q: a size of %d, want %d", r.ID, got, len(want))
		}
	}
}
