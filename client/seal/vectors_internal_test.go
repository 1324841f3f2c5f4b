package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"syncline/auth/signing"
)

var update = flag.Bool("update", false, "write the vectors again")

const vectorsFile = "../../testdata/vectors/encryption.json"

// vectors are for clients in any language.
type vectors struct {
	About string        `json:"about"`
	Keys  []keyVector   `json:"keys"`
	Boxes []boxVector   `json:"boxes"`
	Open  []openVector  `json:"open"`
	Given []givenVector `json:"sealedKeys"`
}

type keyVector struct {
	PrivateKey string `json:"privateKey"`
	Owner      string `json:"owner"`
	Secret     string `json:"secret"`
	KeyID      string `json:"keyId"`
	ID         string `json:"id"`
	HiddenID   string `json:"hiddenId"`
}

type boxVector struct {
	Name          string `json:"name"`
	PrivateKey    string `json:"privateKey"`
	ID            string `json:"id"`
	SchemaVersion string `json:"schemaVersion"`
	Data          []byte `json:"data"`
	Seen          int64  `json:"seen"`
	Hidden        bool   `json:"hidden"`
	Nonce         string `json:"nonce"`
	Box           []byte `json:"box"`
}

type openVector struct {
	Name          string `json:"name"`
	PrivateKey    string `json:"privateKey"`
	ID            string `json:"id"`
	SchemaVersion string `json:"schemaVersion"`
	Box           []byte `json:"box"`
	Revision      int64  `json:"revision"`
	LastSeen      int64  `json:"lastSeen"`
	Error         string `json:"error"` // empty: it opens
}

type givenVector struct {
	Name      string `json:"name"`
	Owner     string `json:"owner"`     // whose key it is to be
	Recipient string `json:"recipient"` // private key
	Ephemeral string `json:"ephemeral"` // private key; empty: the sealed key cannot be made from it
	OwnerKey  string `json:"ownerKey"`  // private key, with Ephemeral
	Sealed    string `json:"sealed"`
	Secret    string `json:"secret"`
	Error     string `json:"error"`
}

var names = map[string]error{
	"": nil, "NOT_ENCRYPTED": ErrNotSealed, "ENCRYPTION_VERSION": ErrVersion, "WRONG_KEY": ErrWrongKey, "TRUNCATED": ErrTruncated,
	"DAMAGED": ErrDamaged, "SWAPPED": ErrSwapped, "ROLLED_BACK": ErrRolledBack,
}

const (
	firstKey  = "8bf4cbda4de40c27a9ba78d9758dad1ab853d8eb64fd0ca9268c961d0a65a863"
	secondKey = "4242424242424242424242424242424242424242424242424242424242424201"
)

func private(t *testing.T, text string) signing.PrivateKey {
	t.Helper()
	key, err := signing.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keyOf(t *testing.T, text string) Key {
	t.Helper()
	key, err := NewKey(private(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	v := vectors{About: "Encrypted records of Syncline, as docs/encryption.md has them. See README.md beside this file. All keys are for tests only."}
	for _, text := range []string{firstKey, secondKey} {
		k := keyOf(t, text)
		v.Keys = append(v.Keys, keyVector{text, k.owner.String(), hex.EncodeToString(k.secret), hex.EncodeToString(k.id[:]), "notes/1", k.HiddenID("notes/1")})
	}
	for i, r := range []struct {
		name string
		Record
	}{
		{"no data", Record{ID: "a"}},
		{"text", Record{ID: "notes/1", SchemaVersion: "1.0", Data: []byte("hello, world"), Seen: 41}},
		{"data that ends as padding does", Record{ID: "a", Data: []byte{0x80, 0, 0}, Seen: 1<<53 - 2}},
		{"an id beyond ASCII", Record{ID: "東京都", SchemaVersion: "é", Data: []byte{0xff, 'S', 'B', 1}}},
		{"a hidden id", Record{ID: "notes/1", SchemaVersion: "1.0", Data: []byte("hello, world"), Seen: 41, Hidden: true}},
		{"a hidden id that begins with a byte-order mark", Record{ID: "\ufeffa", Data: []byte("x"), Hidden: true}},
		{"the longest of the first class", Record{ID: "a", Data: bytes.Repeat([]byte("x"), leastBox-headerBytes-chacha20poly1305.Overhead-innerBytes-1)}},
		{"one byte longer", Record{ID: "a", Data: bytes.Repeat([]byte("x"), leastBox-headerBytes-chacha20poly1305.Overhead-innerBytes)}},
		{"a class above", Record{ID: "a", Data: bytes.Repeat([]byte("ab"), 1500)}},
	} {
		nonce := [chacha20poly1305.NonceSizeX]byte{byte(i + 1), 23: 0xfe}
		box, err := keyOf(t, firstKey).seal(r.Record, nonce)
		if err != nil {
			t.Fatal(err)
		}
		v.Boxes = append(v.Boxes, boxVector{r.name, firstKey, r.ID, r.SchemaVersion, append([]byte{}, r.Data...), r.Seen, r.Hidden, hex.EncodeToString(nonce[:]), box})
	}
	v.Open = openVectors(v.Boxes[1], v.Boxes[4], v.Keys[0].HiddenID)
	v.Given = givenVectors(t)
	return v
}

// openVectors are about one box, what may happen to it, and one whose id is hidden.
func openVectors(text, hidden boxVector, hiddenID string) (all []openVector) {
	const revision = 43
	add := func(name, err string, change func(*openVector)) {
		o := openVector{name, firstKey, text.ID, text.SchemaVersion, bytes.Clone(text.Box), revision, 0, err}
		change(&o)
		all = append(all, o)
	}
	box := func(change func([]byte) []byte) func(*openVector) {
		return func(o *openVector) { o.Box = change(o.Box) }
	}
	flip := func(at int) func(*openVector) {
		return box(func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b })
	}
	add("as it was sealed", "", func(*openVector) {})
	add("plain text", "NOT_ENCRYPTED", box(func([]byte) []byte { return []byte("hello, world") }))
	add("nothing", "NOT_ENCRYPTED", box(func([]byte) []byte { return []byte{} }))
	add("the mark alone", "TRUNCATED", box(func(b []byte) []byte { return b[:3] }))
	add("a newer version", "ENCRYPTION_VERSION", box(func(b []byte) []byte { b[3]++; return b }))
	add("the header's beginning", "TRUNCATED", box(func(b []byte) []byte { return b[:7] }))
	add("the header alone", "TRUNCATED", box(func(b []byte) []byte { return b[:headerBytes] }))
	add("without its last byte", "TRUNCATED", box(func(b []byte) []byte { return b[:len(b)-1] }))
	add("with a byte more", "DAMAGED", box(func(b []byte) []byte { return append(b, 0) }))
	add("a size that is no class", "DAMAGED", box(func(b []byte) []byte { b[7]++; return append(b, 0) }))
	add("a size beyond all classes", "DAMAGED", box(func(b []byte) []byte { b[lengthAt] = 1; return b }))
	add("another user's key", "WRONG_KEY", func(o *openVector) { o.PrivateKey = secondKey })
	add("a changed key id", "WRONG_KEY", flip(keyIDAt))
	add("a changed place", "DAMAGED", flip(placeAt))
	add("a changed nonce", "DAMAGED", flip(nonceAt))
	add("changed data", "DAMAGED", flip(headerBytes))
	add("a changed tag", "DAMAGED", flip(-1))
	add("in another record", "SWAPPED", func(o *openVector) { o.ID = "notes/2" })
	add("in another schema version", "SWAPPED", func(o *openVector) { o.SchemaVersion = "1.1" })
	add("with the parts of its place moved", "SWAPPED", func(o *openVector) { o.ID, o.SchemaVersion = o.ID+"1", ".0" })
	add("of the revision that its writer had seen", "ROLLED_BACK", func(o *openVector) { o.Revision = text.Seen })
	add("right after what its writer had seen", "", func(o *openVector) { o.Revision = text.Seen + 1 })
	add("older than what was seen", "ROLLED_BACK", func(o *openVector) { o.LastSeen = revision + 1 })
	add("seen before", "", func(o *openVector) { o.LastSeen = revision })
	add("an old box in place of a later one", "ROLLED_BACK", func(o *openVector) { o.LastSeen = text.Seen + 1 })
	add("written over what was seen", "", func(o *openVector) { o.LastSeen = text.Seen })
	hide := func(o *openVector) { o.ID, o.Box = hiddenID, bytes.Clone(hidden.Box) }
	add("a hidden id, found", "", hide)
	add("a hidden id, under its own name", "SWAPPED", func(o *openVector) { hide(o); o.ID = hidden.ID })
	return all
}

func givenVectors(t *testing.T) (all []givenVector) {
	t.Helper()
	const ephemeral = "0101010101010101010101010101010101010101010101010101010101010101"
	owner, recipient := private(t, firstKey), private(t, secondKey)
	sealed, err := sealKey(owner, recipient.Public(), private(t, ephemeral))
	if err != nil {
		t.Fatal(err)
	}
	secret := hex.EncodeToString(keyOf(t, firstKey).secret)
	all = append(all, givenVector{"as it was sealed", owner.Public().String(), secondKey, ephemeral, firstKey, hex.EncodeToString(sealed), secret, ""})
	add := func(name, err string, change func(*givenVector, []byte) []byte) {
		g := givenVector{Name: name, Owner: owner.Public().String(), Recipient: secondKey, Error: err}
		g.Sealed = hex.EncodeToString(change(&g, bytes.Clone(sealed)))
		all = append(all, g)
	}
	add("opened by somebody else", "WRONG_KEY", func(g *givenVector, b []byte) []byte { g.Recipient = ephemeral; return b })
	add("said to be somebody else's", "WRONG_KEY", func(g *givenVector, b []byte) []byte { g.Owner = private(t, ephemeral).Public().String(); return b })
	add("changed", "WRONG_KEY", func(_ *givenVector, b []byte) []byte { b[len(b)-1] ^= 1; return b })
	add("with a point that is none", "WRONG_KEY", func(_ *givenVector, b []byte) []byte { clear(b[5:37]); b[36] = 5; return b })
	add("with a byte more", "WRONG_KEY", func(_ *givenVector, b []byte) []byte { return append(b, 0) })
	add("without its last byte", "TRUNCATED", func(_ *givenVector, b []byte) []byte { return b[:len(b)-1] })
	add("a newer version", "ENCRYPTION_VERSION", func(_ *givenVector, b []byte) []byte { b[3]++; return b })
	add("a box", "NOT_ENCRYPTED", func(_ *givenVector, b []byte) []byte { b[2] = 'B'; return b })
	return all
}

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
	if !reflect.DeepEqual(got, want) {
		t.Error("the vectors are others than what is sealed today")
	}
	for _, v := range got.Boxes {
		k := keyOf(t, v.PrivateKey)
		id := v.ID
		if v.Hidden {
			id = k.HiddenID(v.ID)
		}
		r, err := k.Open(Stored{ID: id, SchemaVersion: v.SchemaVersion, Box: v.Box, Revision: v.Seen + 1})
		if err != nil || r.ID != v.ID || r.SchemaVersion != v.SchemaVersion || r.Seen != v.Seen || r.Hidden != v.Hidden || !bytes.Equal(r.Data, v.Data) {
			t.Errorf("%s: %+v, %v", v.Name, r, err)
		}
	}
	for _, v := range got.Open {
		r, err := keyOf(t, v.PrivateKey).Open(Stored{v.ID, v.SchemaVersion, v.Box, v.Revision, v.LastSeen})
		want, known := names[v.Error]
		if !known || !errors.Is(err, want) || err != nil && !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: %+v, %v; want %s", v.Name, r, err, v.Error)
		}
	}
	for _, v := range got.Given {
		testSealedKey(t, v)
	}
}

func testSealedKey(t *testing.T, v givenVector) {
	t.Helper()
	sealed, err := hex.DecodeString(v.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := signing.ParsePublicKey(v.Owner)
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKey(sealed, private(t, v.Recipient), owner)
	if !errors.Is(err, names[v.Error]) || err == nil && hex.EncodeToString(k.secret) != v.Secret {
		t.Errorf("%s: %v; want %s", v.Name, err, v.Error)
	}
}

// Sizes are few, none is smaller than what it holds, and none is an eighth larger.
func TestSizes(t *testing.T) {
	t.Parallel()
	var classes []int
	for size := 1; size <= MaxBox; size++ {
		class := padded(size)
		if class < size || class > MaxBox || size >= leastBox && class-size > size/8 || padded(class) != class {
			t.Fatalf("%d is padded to %d", size, class)
		}
		if !slices.Contains(classes, class) {
			classes = append(classes, class)
		}
	}
	if len(classes) > 150 {
		t.Errorf("%d classes", len(classes))
	}
}

// What does not fit is refused, and what just fits is not.
func TestLargest(t *testing.T) {
	t.Parallel()
	k := keyOf(t, firstKey)
	for _, hidden := range []bool{false, true} {
		most := MaxData
		if hidden {
			most -= len("id")
		}
		box, err := k.Seal(Record{ID: "id", Data: make([]byte, most), Hidden: hidden})
		if err != nil || len(box) != MaxBox {
			t.Errorf("%d bytes, %v", len(box), err)
		}
		if _, err := k.Seal(Record{ID: "id", Data: make([]byte, most+1), Hidden: hidden}); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	}
}

// A box whose revision nobody would read is not made.
func TestRevisions(t *testing.T) {
	t.Parallel()
	for _, seen := range []int64{-1, maxRevision + 1} {
		if _, err := keyOf(t, firstKey).Seal(Record{ID: "a", Seen: seen}); !errors.Is(err, ErrRevision) {
			t.Errorf("%d: %v", seen, err)
		}
	}
}

// Two boxes of one record have nothing in common that tells so beside their place.
func TestNoTwoBoxesAreAlike(t *testing.T) {
	t.Parallel()
	k, r := keyOf(t, firstKey), Record{ID: "a", Data: []byte("the same")}
	one, err := k.Seal(r)
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.Seal(r)
	if err != nil || bytes.Equal(one[nonceAt:headerBytes], other[nonceAt:headerBytes]) || bytes.Equal(one[headerBytes:], other[headerBytes:]) {
		t.Errorf("%v\n%x\n%x", err, one, other)
	}
	if bytes.Contains(one, []byte("same")) || strings.Contains(k.String(), hex.EncodeToString(k.secret)) {
		t.Error("something secret shows")
	}
}

// A box that opens is, to the byte, what sealing its content makes: there is no other
// form of it.
func FuzzOpen(f *testing.F) {
	identity, err := signing.ParsePrivateKey(firstKey)
	if err != nil {
		f.Fatal(err)
	}
	k, err := NewKey(identity)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, "", "", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, box []byte, id, schemaVersion string, revision, lastSeen int64) {
		r, err := k.Open(Stored{id, schemaVersion, box, revision, lastSeen})
		if err == nil {
			again, err := k.seal(r, [chacha20poly1305.NonceSizeX]byte(box[nonceAt:headerBytes]))
			if err != nil || !bytes.Equal(again, box) {
				t.Errorf("%x opens as %+v, which is sealed as %x, %v", box, r, again, err)
			}
		}
		if _, err := OpenKey(box, identity, k.owner); err == nil {
			t.Errorf("%x is a key", box)
		}
	})
}
