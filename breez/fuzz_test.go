package breez_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"syncline/auth"
	"syncline/auth/recovery"
	"syncline/auth/signing"
	"syncline/breez"
	"syncline/breez/syncpb"
)

// door reads calls as the server's does, finds out who signed them, and lets
// nobody in: what is fuzzed ends where the signature was read.
type door struct{ *auth.Verifier }

var errNobody = &auth.Error{Code: auth.CodeForbidden, Message: "nobody is let in"}

func (door) Admit(_ context.Context, _ string, recoverKey func() (signing.PublicKey, error)) (auth.Principal, error) {
	if _, err := recoverKey(); err != nil {
		return auth.Principal{}, err
	}
	return auth.Principal{}, errNobody
}

// FuzzServe throws bytes at the calls of Breez data-sync's clients as they come from
// the wire: headers, gRPC, gRPC-Web, its text form, Connect, compressed or not, and the
// signatures within. Nothing gets in, nothing is an internal error, and the answer is in
// the form of the question.
func FuzzServe(f *testing.F) {
	for _, seed := range callsOnTheWire(f) {
		f.Add(seed)
	}
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	authorities, err := auth.ParseAuthorities("api.example.com")
	if err != nil {
		f.Fatal(err)
	}
	verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(10, now), auth.Options{Now: now})
	service := breez.New(breez.Config{
		Verifier: door{verifier}, Recover: recovery.PublicKey, Now: now,
		Log: slog.New(slog.DiscardHandler), Observe: func(string, string, time.Duration) {}, Refused: func(string) {},
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil || !breez.Serves(r) {
			return
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		status, message, kind := trailer(w, "Grpc-Status"), trailer(w, "Grpc-Message"), w.Header().Get("Content-Type")
		// A frame that is none is an internal error to connect; the service's own has this message.
		broken := status == "13" && message == "internal error" || w.Code == http.StatusInternalServerError && strings.Contains(w.Body.String(), "internal error")
		if status == "0" || broken {
			t.Errorf("HTTP %d, gRPC %q, %q: %.200q", w.Code, status, message, w.Body)
		}
		if w.Body.Len() > 16<<10 {
			t.Errorf("%d bytes answer a call that was refused", w.Body.Len())
		}
		if strings.HasPrefix(kind, "application/grpc-web-text") {
			for text := w.Body.Bytes(); len(text) > 0; {
				piece := text
				if i := bytes.IndexByte(text, '='); i >= 0 {
					piece = text[:min(len(text), (i/4+1)*4)]
				}
				if _, err := base64.StdEncoding.Strict().DecodeString(string(piece)); err != nil {
					t.Errorf("the answer is not base64: %v", err)
				}
				text = text[len(piece):]
			}
		} else if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc-web-text") && w.Code == http.StatusOK {
			t.Errorf("a question in text was answered in %q", kind)
		}
	})
}

// trailer is what an answer has after its body, or, without a body, before it.
func trailer(w *httptest.ResponseRecorder, name string) string {
	return cmp.Or(w.Header().Get(name), w.Header().Get(http.TrailerPrefix+name))
}

// callsOnTheWire are signed calls in each protocol.
func callsOnTheWire(f *testing.F) (wires [][]byte) {
	f.Helper()
	const at = 1_700_000_000
	u := user{secp256k1.PrivKeyFromBytes([]byte("the key of a device, as any other"[:32]))}
	calls := map[string]proto.Message{
		"SetRecord":     setRequest(u, &syncpb.Record{Id: "note", Data: []byte("data"), SchemaVersion: "1"}, at, "device"),
		"ListChanges":   listRequest(u, 42, at),
		"ListenChanges": listenRequest(u, at),
		"SetLock":       lockRequest(u, &syncpb.SetLockRequest{LockName: "lock", InstanceId: "device"}, at),
		"GetLock":       getLockRequest(u, "lock", at),
	}
	for name, message := range calls {
		data, err := proto.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		inJSON, err := protojson.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		plain := enveloped(0, data)
		for contentType, body := range map[string][]byte{
			"application/grpc":                plain,
			"application/grpc-web+proto":      plain,
			"application/grpc-web-text":       []byte(base64.StdEncoding.EncodeToString(plain)),
			"application/grpc-web-text+proto": []byte(base64.StdEncoding.EncodeToString(plain[:5]) + base64.StdEncoding.EncodeToString(plain[5:])),
			"application/proto":               data,
			"application/json":                inJSON,
			"application/connect+json":        enveloped(0, inJSON),
		} {
			wires = append(wires, onTheWire(name, contentType, "", body))
		}
		wires = append(wires,
			onTheWire(name, "application/grpc-web", "Grpc-Encoding: gzip\r\n", enveloped(1, gzipped(f, data))),
			onTheWire(name, "application/proto", "Content-Encoding: gzip\r\n", gzipped(f, data)))
	}
	return wires
}

func enveloped(flags byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(data))), data...)
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func onTheWire(call, contentType, headers string, body []byte) []byte {
	var wire bytes.Buffer
	fmt.Fprintf(&wire, "POST %s%s HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n", breez.Prefix, call, contentType, len(body), headers)
	_, _ = io.Copy(&wire, bytes.NewReader(body)) // into memory
	return wire.Bytes()
}
