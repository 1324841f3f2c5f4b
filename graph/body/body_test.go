package body_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"syncline/graph/body"
)

// Whatever the sizes, what is sent is the JSON with the data in its places.
func TestSendsDataInItsPlaces(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		var (
			blobs      body.Blobs
			json, want []byte
		)
		for i := range random.IntN(30) {
			text := fmt.Appendf(nil, `%*d"`, random.IntN(1<<random.IntN(17))+1, i)
			json, want = append(json, text...), append(want, text...)
			data := randomBytes(random, random.IntN(1<<random.IntN(19)))
			blobs.Add(len(json), data)
			want = base64.StdEncoding.AppendEncode(want, data)
			json, want = append(json, '"'), append(want, '"')
		}
		var got bytes.Buffer
		if err := blobs.Send(&got, []byte("<"), json, []byte(">")); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), slices.Concat([]byte("<"), want, []byte(">"))) {
			t.Fatalf("seed %d: %d bytes sent that differ from the %d expected", seed, got.Len(), len(want)+2)
		}
		if n := blobs.Len(json); n != len(want) {
			t.Fatalf("seed %d: Len is %d of %d", seed, n, len(want))
		}
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// broken keeps what it could not write, as a connection of HTTP/2 does whose
// client went away.
type broken struct {
	accepts int
	kept    []byte
}

var errBroken = errors.New("broken")

func (b *broken) Write(p []byte) (int, error) {
	if b.accepts--; b.accepts >= 0 {
		return len(p), nil
	}
	b.kept = p
	return 0, errBroken
}

// Memory that a connection may still read from is never that of another answer.
func TestKeepsAnswersApart(t *testing.T) {
	t.Parallel()
	for accepts := range 4 {
		var mine body.Blobs
		mine.Add(1, bytes.Repeat([]byte{1}, 150_000))
		gone := &broken{accepts: accepts}
		if err := mine.Send(gone, nil, []byte(`""`), nil); !errors.Is(err, errBroken) {
			t.Fatalf("after %d writes: %v", accepts, err)
		}
		kept := bytes.Clone(gone.kept)
		for range 10 {
			var others body.Blobs
			others.Add(1, bytes.Repeat([]byte{2}, 150_000))
			if err := others.Send(&bytes.Buffer{}, nil, []byte(`""`), nil); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(gone.kept, kept) {
			t.Errorf("after %d writes, one connection would send another's answer", accepts)
		}
	}
}
