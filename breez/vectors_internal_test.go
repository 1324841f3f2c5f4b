package breez

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
	"syncline/breez/syncpb"
)

var update = flag.Bool("update", false, "write the vectors again")

const vectorsFile = "../testdata/vectors/breez.json"

// vectors are for clients in any language.
type vectors struct {
	About    string    `json:"about"`
	Accepted []vector  `json:"accepted"`
	Refused  []refused `json:"refused"`
	// Instances are forms of an instance's UUID.
	Instances []instance `json:"instances"`
}

// instance is an instance_id, and the UUID that it means; empty: it is refused.
type instance struct {
	Name  string `json:"name"`
	ID    string `json:"instanceId"`
	Means string `json:"means"`
}

type vector struct {
	Name       string `json:"name"`
	PrivateKey string `json:"privateKey"`
	Call       string `json:"call"`
	Text       string `json:"text"`
	Digest     string `json:"digest"`
	Signature  string `json:"signature"`
	Owner      string `json:"owner"`
}

type refused struct {
	Name      string `json:"name"`
	Signature string `json:"signature"`
}

// The signed texts, and the keys recovered from signatures of them, are those of
// the vectors.
func TestVectors(t *testing.T) {
	want := makeVectors(t)
	if *update {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(want); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var got vectors
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("the vectors are others than what is signed today")
	}
	if n := len(got.Accepted) + len(got.Refused); n < 30 {
		t.Errorf("%d vectors", n)
	}
	s := New(Config{Recover: recovery.PublicKey})
	for _, v := range got.Accepted {
		key, err := s.recoverKey(digestOf(written, plain{text: v.Text}), v.Signature)
		if err != nil || key.String() != v.Owner {
			t.Errorf("%s: %v, %v", v.Name, key, err)
		}
	}
	for _, v := range got.Instances {
		id, err := instanceOf(v.ID)
		if id != v.Means || (err == nil) != (v.Means != "") {
			t.Errorf("%s, %q: %q, %v", v.Name, v.ID, id, err)
		}
	}
	for _, v := range got.Refused {
		if key, err := s.recoverKey(digestOf(written, plain{text: "any text"}), v.Signature); err == nil {
			t.Errorf("%s: %v", v.Name, key)
		}
	}
}

func makeVectors(t *testing.T) vectors {
	made := vectors{About: "Signed calls of Breez data-sync's clients. See README.md beside this file. All keys are for tests only."}
	id := "contacts:7"
	ttl := uint32(60)
	calls := []struct {
		name, call, text string
	}{
		{"a record", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Data: []byte("hello"), Revision: 3, SchemaVersion: "1.0.0"}, RequestTime: 1732233600})},
		{"a new record", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Data: []byte{0, 0xff}, SchemaVersion: "1"}, RequestTime: 1732233601})},
		{"no data", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Revision: 1, SchemaVersion: "1"}, RequestTime: 1732233602})},
		{"no schema version", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Data: []byte{1}}, RequestTime: 1732233603})},
		{"an id with hyphens", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: "a-b-c", Data: []byte{1}, Revision: 2, SchemaVersion: "1"}, RequestTime: 1732233604})},
		{"an id beyond ASCII", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: "fête 🎉", Data: []byte("é"), Revision: 2, SchemaVersion: "1"}, RequestTime: 1732233605})},
		{"the largest revision", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Revision: 1<<64 - 1, SchemaVersion: "1"}, RequestTime: 1732233606})},
		{"a client's name, which is not signed", "SetRecord", text(setRecordText, &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Data: []byte("hello"), Revision: 3, SchemaVersion: "1.0.0"}, RequestTime: 1732233600, ClientId: &id})},
		{"changes from the beginning", "ListChanges", text(listChangesText, &syncpb.ListChangesRequest{RequestTime: 1732233600})},
		{"changes since a revision", "ListChanges", text(listChangesText, &syncpb.ListChangesRequest{SinceRevision: 42, RequestTime: 1732233600})},
		{"changes since the largest revision", "ListChanges", text(listChangesText, &syncpb.ListChangesRequest{SinceRevision: 1<<64 - 1, RequestTime: 1732233600})},
		{"a subscription", "ListenChanges", text(listenChangesText, &syncpb.ListenChangesRequest{RequestTime: 1732233600})},
		{"a subscription at the last second", "ListenChanges", text(listenChangesText, &syncpb.ListenChangesRequest{RequestTime: 1<<32 - 1})},
		{"an exclusive lock", "SetLock", text(setLockText, &syncpb.SetLockRequest{LockName: "sync", InstanceId: "4f0ff2f8-5dd0-4ff4-9f8a-7a3e5c7e2e66", Acquire: true, Exclusive: true, RequestTime: 1732233600})},
		{"a shared lock, its time not signed", "SetLock", text(setLockText, &syncpb.SetLockRequest{LockName: "sync", InstanceId: "4f0ff2f8-5dd0-4ff4-9f8a-7a3e5c7e2e66", Acquire: true, TtlSeconds: &ttl, RequestTime: 1732233600})},
		{"a release", "SetLock", text(setLockText, &syncpb.SetLockRequest{LockName: "sync", InstanceId: "4f0ff2f8-5dd0-4ff4-9f8a-7a3e5c7e2e66", RequestTime: 1732233600})},
		{"an instance in another form, signed as sent", "SetLock", text(setLockText, &syncpb.SetLockRequest{LockName: "sync", InstanceId: "{4F0FF2F8-5DD0-4FF4-9F8A-7A3E5C7E2E66}", Acquire: true, RequestTime: 1732233600})},
		{"a lock with spaces", "SetLock", text(setLockText, &syncpb.SetLockRequest{LockName: "my lock", InstanceId: "4f0ff2f85dd04ff49f8a7a3e5c7e2e66", Acquire: true, RequestTime: 1732233600})},
		{"a lock's state", "GetLock", text(getLockText, &syncpb.GetLockRequest{LockName: "sync", RequestTime: 1732233600})},
		{"a lock whose name is a number: the text is one of ListChanges, too", "GetLock", text(getLockText, &syncpb.GetLockRequest{LockName: "42", RequestTime: 1732233600})},
	}
	for i, c := range calls {
		made.Accepted = append(made.Accepted, sign(c.name, c.call, c.text, byte(i+1), false))
	}
	made.Accepted = append(made.Accepted, sign("a high s", "GetLock", calls[18].text, 77, true), sign("a high s of a record", "SetRecord", calls[0].text, 78, true))
	for header := range byte(4) { // those of 33 and 34 come once in 2^128 signatures
		made.Accepted = append(made.Accepted, withHeader(t, fmt.Sprintf("a header byte of %d, and a small r", 31+header), "SetRecord", calls[0].text, 31+header))
	}

	compact := func() []byte {
		raw, err := zbase32.DecodeString(made.Accepted[0].Signature)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	change := func(at int, to ...byte) string {
		raw := compact()
		copy(raw[at:], to)
		return zbase32.EncodeToString(raw)
	}
	good := made.Accepted[0].Signature
	zero := make([]byte, 32)
	order, err := hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	if err != nil {
		t.Fatal(err)
	}
	made.Refused = []refused{
		{"nothing", ""},
		{"one character less", good[:103]},
		{"one character more", good + "y"},
		{"a character that the alphabet lacks", "l" + good[1:]},
		{"upper case", strings.ToUpper(good)},
		{"a line break within", good[:103] + "\n"},
		{"padding", good[:103] + "="},
		{"standard base64", base64.StdEncoding.EncodeToString(compact())},
		{"hexadecimal", hex.EncodeToString(compact())[:104]},
		{"a header byte of 27: a key that is not compressed", change(0, 27)},
		{"a header byte of 30", change(0, 30)},
		{"a header byte of 35", change(0, 35)},
		{"a header byte of 33, and an r that is no remainder", change(0, 33)},
		{"a header byte of 34, and an r that is no remainder", change(0, 34)},
		{"a header byte of 0", change(0, 0)},
		{"r is 0", change(1, zero...)},
		{"r is the order", change(1, order...)},
		{"s is 0", change(33, zero...)},
		{"s is the order", change(33, order...)},
	}
	const id36, id32 = "4f0ff2f8-5dd0-4ff4-9f8a-7a3e5c7e2e66", "4f0ff2f85dd04ff49f8a7a3e5c7e2e66"
	made.Instances = []instance{
		{"plain", id36, id36},
		{"upper case", strings.ToUpper(id36), id36},
		{"without hyphens", id32, id36},
		{"a URN", "urn:uuid:" + id36, id36},
		{"a URN in upper case", "URN:UUID:" + strings.ToUpper(id36), id36},
		{"braces", "{" + id36 + "}", id36},
		{"all bits are 0", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"},
		{"nothing", "", ""},
		{"two letters around it", "x" + id36 + "x", ""},
		{"brackets around it", "[" + id36 + "]", ""},
		{"quotes around it", `"` + id36 + `"`, ""},
		{"blanks around it", " " + id36 + " ", ""},
		{"braces the wrong way round", "}" + id36 + "{", ""},
		{"one brace, and a letter at the end", "{" + id36 + "x", ""},
		{"a letter, and one brace at the end", "x" + id36 + "}", ""},
		{"one brace", "{" + id36, ""},
		{"braces without hyphens", "{" + id32 + "}", ""},
		{"another URN", "urn:oidc:" + id36, ""},
		{"one digit less", id36[:35], ""},
		{"a letter that is no digit", "g" + id36[1:], ""},
		{"hyphens elsewhere", "4f0ff2f85-dd0-4ff4-9f8a-7a3e5c7e2e66", ""},
	}
	return made
}

// text is what is signed of a call.
func text[R signed](of func([]byte, R) []byte, r R) string { return string(of(nil, r)) }

// plain is a text that is there already.
type plain struct {
	signed
	text string
}

func written(b []byte, p plain) []byte { return append(b, p.text...) }

// sign signs with the key whose last byte is n, as RFC 6979 says.
func sign(name, call, text string, n byte, highS bool) vector {
	secret := append(bytes.Repeat([]byte{0x42}, 31), n)
	key := secp256k1.PrivKeyFromBytes(secret)
	sum := digestOf(written, plain{text: text})
	compact := ecdsa.SignCompact(key, sum[:], true)
	if highS {
		var s secp256k1.ModNScalar
		s.SetByteSlice(compact[33:])
		negated := s.Negate().Bytes()
		copy(compact[33:], negated[:])
		compact[0] = 31 + ((compact[0] - 31) ^ 1)
	}
	return vector{name, hex.EncodeToString(secret), call, text, hex.EncodeToString(sum[:]), zbase32.EncodeToString(compact), hex.EncodeToString(key.PubKey().SerializeCompressed())}
}

// withHeader is a signature with the header byte and the smallest r for which there is one, made without a
// private key: the owner is the key that decred's library recovers.
func withHeader(t *testing.T, name, call, text string, header byte) vector {
	t.Helper()
	sum := digestOf(written, plain{text: text})
	compact := bytes.Repeat([]byte{0x42}, 65)
	compact[0] = header
	clear(compact[1:33])
	for compact[32] = 1; compact[32] < 100; compact[32]++ { // half of all numbers are on the curve
		if key, compressed, err := ecdsa.RecoverCompact(compact, sum[:]); err == nil && compressed {
			return vector{Name: name, Call: call, Text: text, Digest: hex.EncodeToString(sum[:]), Signature: zbase32.EncodeToString(compact), Owner: hex.EncodeToString(key.SerializeCompressed())}
		}
	}
	t.Fatal("there is no signature with such an r")
	return vector{}
}
