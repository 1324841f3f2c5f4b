package breez_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// verify is for what takes long.
var verify = os.Getenv("SYNCLINE_VERIFY") != ""

func TestRecordLimits(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := device{t, newUser(t), p.client(t, server.Address), ""}
			for name, r := range map[string]*syncpb.Record{
				"id":     {Id: strings.Repeat("i", 64)},
				"data":   {Id: "d", Data: make([]byte, 65_536)},
				"schema": {Id: "s", SchemaVersion: strings.Repeat("1", 15)},
				"empty":  {Id: "e"},
			} {
				if reply, err := d.trySet(t.Context(), r); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
					t.Errorf("%s: %v, %v", name, reply, err)
				}
			}
			for _, test := range []struct {
				record  *syncpb.Record
				message string
			}{
				{nil, "record must not be empty"},
				{&syncpb.Record{Id: strings.Repeat("i", 65)}, "exceeds maximum length of 64"},
				{&syncpb.Record{Id: "d", Data: make([]byte, 65_537)}, "exceeds maximum size of 65536 bytes"},
				{&syncpb.Record{Id: "s", SchemaVersion: strings.Repeat("1", 16)}, "exceeds maximum length of 15"},
				{&syncpb.Record{}, "id"},
				{&syncpb.Record{Id: "a\x00b"}, "id"},
				{&syncpb.Record{Id: "a\u0085b"}, "id"},
				{&syncpb.Record{Id: "s", SchemaVersion: "1\n"}, "schema"},
			} {
				_, err := d.trySet(t.Context(), test.record)
				mustFail(t, err, connect.CodeInvalidArgument, test.message)
			}
			if strings.HasSuffix(p.name, "JSON") { // has another size
				return
			}
			for beyond, code := range []connect.Code{connect.CodeInvalidArgument, connect.CodeResourceExhausted} {
				in := setRequestOf(t, d.user, 262_144+beyond, d.now())
				_, err := d.client.SetRecord(t.Context(), connect.NewRequest(in))
				mustFail(t, err, code, "")
			}
			if got := d.list(0); len(got) != 4 {
				t.Errorf("%d records after all that", len(got))
			}
		})
	}
}

// What is within the limit on its way is not beyond it once it is decompressed.
func TestDecompressedLimit(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	for _, name := range []string{"gRPC", "gRPC-Web over HTTP/1.1", "gRPC-Web over HTTP/2", "Connect"} {
		p := protocols[slices.IndexFunc(protocols, func(p protocol) bool { return p.name == name })].compressed()
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := device{t, newUser(t), p.client(t, server.Address), ""}
			for size, code := range map[int]connect.Code{
				262_144: connect.CodeInvalidArgument, // it was read: its data is too large
				262_145: connect.CodeResourceExhausted,
				8 << 20: connect.CodeResourceExhausted,
			} {
				in := setRequestOf(t, d.user, size, d.now())
				if sent := len(gzipped(t, mustMarshal(t, in))); sent > 20_000 {
					t.Fatalf("a message of %d bytes has %d on its way", size, sent)
				}
				_, err := d.client.SetRecord(t.Context(), connect.NewRequest(in))
				mustFail(t, err, code, "")
			}
			d.set("a", make([]byte, 65_536), 0)
			if got := d.list(0); len(got) != 1 || len(got[0].GetData()) != 65_536 {
				t.Errorf("%d records after that", len(got))
			}
		})
	}
}

// setRequestOf is a message of so many bytes, all of them for a record that is too large.
func setRequestOf(t *testing.T, u user, size int, at uint32) *syncpb.SetRecordRequest {
	t.Helper()
	data := make([]byte, size)
	in := setRequest(u, &syncpb.Record{Id: "d", Data: data}, at, "")
	in.Record.Data = data[:2*size-proto.Size(in)] // the length takes as many bytes as that of the whole
	if proto.Size(in) != size {
		t.Fatalf("a message of %d bytes, want %d", proto.Size(in), size)
	}
	return in
}

func mustMarshal(t *testing.T, in proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A device's name that cannot be kept counts as none, and refuses nothing.
func TestClientIDs(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	u := newUser(t)
	c := protocols[0].client(t, server.Address)
	heard := device{t, u, c, ""}.listen()
	for i, name := range []string{strings.Repeat("n", 64), strings.Repeat("n", 65), "\x00", " "} {
		want := name
		if len(name) > 64 || name == "\x00" {
			want = ""
		}
		device{t, u, c, name}.set(fmt.Sprint(i), nil, 1)
		heard.next(want)
	}
	in := setRequest(u, &syncpb.Record{Id: "empty"}, uint32(time.Now().Unix()), "")
	in.ClientId = new(string)
	if reply, err := c.SetRecord(t.Context(), connect.NewRequest(in)); err != nil || reply.Msg.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", reply, err)
	}
	heard.next("")
}

func TestLockLimits(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	ttl := func(seconds uint32) *uint32 { return &seconds }
	for name, in := range map[string]*syncpb.SetLockRequest{
		"a long name":  {LockName: strings.Repeat("l", 256), InstanceId: phone, Acquire: true},
		"the shortest": {LockName: "a", InstanceId: phone, Acquire: true, TtlSeconds: ttl(1)},
		"the longest":  {LockName: "b", InstanceId: phone, Acquire: true, TtlSeconds: ttl(1<<32 - 1)},
		"braces":       {LockName: "c", InstanceId: "{" + phone + "}", Acquire: true},
		"never held":   {LockName: "d", InstanceId: phone},
		"no hyphens":   {LockName: "e", InstanceId: strings.ReplaceAll(phone, "-", ""), Acquire: true},
	} {
		if err := d.setLock(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, test := range []struct {
		in      *syncpb.SetLockRequest
		message string
	}{
		{&syncpb.SetLockRequest{InstanceId: phone}, "lock_name must not be empty"},
		{&syncpb.SetLockRequest{LockName: strings.Repeat("l", 257), InstanceId: phone}, "exceeds maximum length of 256"},
		{&syncpb.SetLockRequest{LockName: "a\x7f", InstanceId: phone, Acquire: true}, "name"},
		{&syncpb.SetLockRequest{LockName: "a"}, "instance_id must be a valid UUID"},
		{&syncpb.SetLockRequest{LockName: "a", InstanceId: "phone"}, "instance_id must be a valid UUID"},
		{&syncpb.SetLockRequest{LockName: "a", InstanceId: "x" + phone + "x"}, "instance_id must be a valid UUID"},
		{&syncpb.SetLockRequest{LockName: "a", InstanceId: phone, Acquire: true, TtlSeconds: ttl(0)}, "ttl_seconds must be at least 1"},
		{&syncpb.SetLockRequest{LockName: "a", InstanceId: phone, TtlSeconds: ttl(0)}, "ttl_seconds must be at least 1"},
	} {
		mustFail(t, d.setLock(test.in), connect.CodeInvalidArgument, test.message)
	}
	_, err := d.client.GetLock(t.Context(), connect.NewRequest(getLockRequest(d.user, "", d.now())))
	mustFail(t, err, connect.CodeInvalidArgument, "lock_name must not be empty")
	_, err = d.client.GetLock(t.Context(), connect.NewRequest(getLockRequest(d.user, strings.Repeat("l", 257), d.now())))
	mustFail(t, err, connect.CodeInvalidArgument, "exceeds maximum length of 256")
}

// What a lock's life is by default and at most, and how many may share one, is Syncline's.
func TestLocksAreSynclines(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	api := d.user.graphQL(t, server)
	seconds := func(n uint32) *uint32 { return &n }
	for _, test := range []struct {
		ttl  *uint32
		want time.Duration
	}{
		{nil, 30 * time.Second},
		{seconds(299), 299 * time.Second},
		{seconds(300), 300 * time.Second},
		{seconds(301), 300 * time.Second},
		{seconds(1<<32 - 1), 300 * time.Second},
	} {
		before := time.Now() // of the same clock as the server's
		if err := d.setLock(&syncpb.SetLockRequest{LockName: "a", InstanceId: phone, Acquire: true, TtlSeconds: test.ttl}); err != nil {
			t.Fatal(err)
		}
		after := time.Now()
		held, err := api.LockState(t.Context(), "a")
		if err != nil || len(held.Holders) != 1 || held.Holders[0].InstanceID != phone {
			t.Fatalf("%+v, %v", held, err)
		}
		if at := held.Holders[0].ExpiresAt; at.Before(before.Add(test.want-time.Millisecond)) || at.After(after.Add(test.want+time.Millisecond)) {
			t.Errorf("it expires %v after it was taken, want %v", at.Sub(before), test.want)
		}
	}
	life := uint32(300) // of the first as long as it takes to ask for all
	for i := range 101 {
		err := d.setLock(&syncpb.SetLockRequest{LockName: "shared", InstanceId: fmt.Sprintf("4f0ff2f8-5dd0-4ff4-9f8a-%012d", i), Acquire: true, TtlSeconds: &life})
		if i < 100 && err != nil {
			t.Fatalf("holder %d: %v", i+1, err)
		}
		if i == 100 {
			mustFail(t, err, connect.CodeFailedPrecondition, "lock held by another instance")
		}
	}
}

// madeAt makes each call with a time, and with another signature if there is one.
func (d device) madeAt(at uint32, signature string) map[string]func() error {
	other := func(own *string) {
		if signature != "" {
			*own = signature
		}
	}
	return map[string]func() error{
		"SetRecord": func() error {
			in := setRequest(d.user, &syncpb.Record{Id: "times", Revision: 1 << 40}, at, "")
			other(&in.Signature)
			_, err := d.client.SetRecord(d.t.Context(), connect.NewRequest(in))
			return err
		},
		"ListChanges": func() error {
			in := listRequest(d.user, 0, at)
			other(&in.Signature)
			_, err := d.client.ListChanges(d.t.Context(), connect.NewRequest(in))
			return err
		},
		"ListenChanges": func() error {
			in := listenRequest(d.user, at)
			other(&in.Signature)
			ctx, cancel := context.WithCancel(d.t.Context())
			defer cancel()
			opened, err := d.client.ListenChanges(ctx, connect.NewRequest(in))
			if err != nil || opened.Receive() {
				return err
			}
			return opened.Err()
		},
		"SetLock": func() error {
			in := lockRequest(d.user, &syncpb.SetLockRequest{LockName: "times", InstanceId: phone, Acquire: true}, at)
			other(&in.Signature)
			_, err := d.client.SetLock(d.t.Context(), connect.NewRequest(in))
			return err
		},
		"GetLock": func() error {
			in := getLockRequest(d.user, "times", at)
			other(&in.Signature)
			_, err := d.client.GetLock(d.t.Context(), connect.NewRequest(in))
			return err
		},
	}
}

func TestTimesAndSignatures(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	for seconds, ok := range map[int]bool{0: true, -200: true, 200: true, -310: false, 400: false} {
		for name, call := range d.madeAt(uint32(int(d.now())+seconds), "") {
			err := call()
			if ok && err != nil {
				t.Errorf("%s, %d s: %v", name, seconds, err)
			}
			if !ok {
				mustFail(t, err, connect.CodeInvalidArgument, "request time too far from server time")
			}
		}
	}
	twice := listRequest(d.user, 0, d.now())
	for range 2 { // two devices that call alike send the same bytes
		if _, err := d.client.ListChanges(t.Context(), connect.NewRequest(twice)); err != nil {
			t.Error(err)
		}
	}
	good := twice.GetSignature()
	for what, signature := range map[string]string{
		"one short":              good[:103],
		"one long":               good + "y",
		"a letter that is none":  "2" + good[1:],
		"a line break":           good[:103] + "\n",
		"no curve point":         strings.Repeat("y", 104),
		"in standard base64":     base64.StdEncoding.EncodeToString(make([]byte, 65)),
		"of a key not shortened": alphabet.EncodeToString(append([]byte{27}, mustDecode(t, good)[1:]...)),
	} {
		for name, call := range d.madeAt(d.now(), signature) {
			if err := call(); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	in := proto.CloneOf(twice)
	in.Signature = ""
	_, err := d.client.ListChanges(t.Context(), connect.NewRequest(in))
	mustFail(t, err, connect.CodeUnauthenticated, "signature")
	// The signature of other content is another owner's, who has nothing.
	d.set("a", nil, 0)
	in = listRequest(d.user, 1, d.now())
	in.SinceRevision = 0
	reply, err := d.client.ListChanges(t.Context(), connect.NewRequest(in))
	if err != nil || len(reply.Msg.GetChanges()) > 0 {
		t.Errorf("%v, %v", reply, err)
	}
}

func mustDecode(t *testing.T, signature string) []byte {
	t.Helper()
	data, err := alphabet.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What the service bounds, it bounds here too.
func TestQuotasAndRates(t *testing.T) {
	t.Parallel()
	quota := testservers.StartSyncline(t, switchedOn, "QUOTA_RECORDS=1")
	d := device{t, newUser(t), protocols[0].client(t, quota.Address), ""}
	d.set("a", nil, 0)
	_, err := d.trySet(t.Context(), &syncpb.Record{Id: "b"})
	mustFail(t, err, connect.CodeResourceExhausted, "quota")

	closed := testservers.StartSyncline(t, switchedOn, "NEW_OWNERS=closed")
	d = device{t, newUser(t), protocols[0].client(t, closed.Address), ""}
	_, err = d.trySet(t.Context(), &syncpb.Record{Id: "a"})
	mustFail(t, err, connect.CodePermissionDenied, "operator")

	rates := testservers.StartSyncline(t, switchedOn, "RATE_LIMITS=on", "RATE_COST=100", "RATE_ADDRESS_FACTOR=1")
	for _, p := range protocols {
		d := device{t, newUser(t), p.client(t, rates.Address), ""}
		var err error
		for n := 0; err == nil && n < 1000; n++ {
			_, err = d.trySet(t.Context(), &syncpb.Record{Id: "a", Revision: uint64(n)})
		}
		mustFail(t, err, connect.CodeResourceExhausted, "")
	}
}
