package transport

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"syncline/graph/body"
	"syncline/internal/budget"
)

// worthEncoding is from how many bytes of data an answer is compressed for a
// client that asks for it. Below, it would come later for it, not sooner.
const worthEncoding = 4 << 10

// encoder compresses what a handler writes, with zstd or gzip as the client
// prefers, at their fastest.
//
// The length of a compressed answer tells something of what is in it. To learn
// more than that from it (BREACH) somebody has to make a victim send requests,
// many times, whose answers repeat his guesses beside a secret. Here requests
// are signed with a key that no other site's page has, and answers hold what
// one owner's own devices wrote.
var encoder = newEncoder()

func newEncoder() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(worthEncoding), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		panic(err) // options of ours that contradict each other
	}
	return wrap
}

// deliver sends the answer to an operation that was executed. An event stream's
// does not come this way: a compressor would hold its events back.
func (t *Transports) deliver(w http.ResponseWriter, r *http.Request, status int, mediaType string, resp *graphql.Response, blobs *body.Blobs, grant *budget.Grant) {
	if blobs.Len(resp.Data) < worthEncoding {
		w.Header().Add("Vary", "Accept-Encoding")
		t.send(w, status, mediaType, resp, blobs, grant)
		return
	}
	encoder(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.send(w, status, mediaType, resp, blobs, grant)
	}))(w, r)
}
