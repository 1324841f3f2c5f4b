// Package playground serves the page at / on which a person tries out the API. It
// is written in web/playground; what is built of it lies in built/.
package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// built is what `npm run build --prefix web --workspace playground` made of
// web/playground: the page, its parts and their licences, each gzipped.
//
//go:embed all:built
var built embed.FS

// policy lets the page load from and talk to its own origin only, and run no
// script but its own files. Styles are another matter: Monaco, the editor inside
// GraphiQL, writes its colours and the places of its lines into style elements.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// What caches may do. Names below assets/ carry a hash of their content; the
// others stay the same from one version to the next.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
)

var mediaTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".md":   "text/plain; charset=utf-8",
	".svg":  "image/svg+xml",
	".ttf":  "font/ttf",
}

// Serve answers for the page at /, its parts at /assets/, and /licenses.md.
func Serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	zipped, err := built.ReadFile(path.Join("built", name+".gz"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	describe(w.Header(), name)
	if err := send(w, r, zipped); err != nil {
		http.Error(w, "this page is damaged: build the server again", http.StatusInternalServerError)
	}
}

func describe(header http.Header, name string) {
	header.Set("Content-Type", mediaTypes[path.Ext(name)])
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(name, "assets/") {
		header.Set("Cache-Control", cacheForever)
	} else {
		header.Set("Cache-Control", cacheAsk)
	}
}

// send answers with the content as it is kept, or unzipped for the rare client
// that does not take gzip. net/http does HEAD, and 304 by the ETag.
func send(w http.ResponseWriter, r *http.Request, zipped []byte) error {
	sum := sha256.Sum256(zipped)
	tag := base64.RawURLEncoding.EncodeToString(sum[:9])
	content := zipped
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		tag += "-gzip"
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(zipped))) // net/http leaves it out of encoded answers
	} else {
		var err error
		if content, err = unzip(zipped); err != nil {
			return err
		}
	}
	r.Header.Del("Range") // no part of this is worth asking for alone
	w.Header().Set("ETag", strconv.Quote(tag))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return nil
}

func unzip(zipped []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, fmt.Errorf("unzip: %w", err)
	}
	return io.ReadAll(reader)
}

// acceptsGzip reads an Accept-Encoding header: gzip or *, unless at quality 0.
func acceptsGzip(header string) bool {
	accepted := false
	for part := range strings.SplitSeq(header, ",") {
		coding, parameter, _ := strings.Cut(strings.TrimSpace(part), ";")
		quality, isQuality := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
		value, err := strconv.ParseFloat(quality, 64)
		positive := !isQuality || err == nil && value > 0
		switch strings.TrimSpace(coding) {
		case "gzip":
			return positive
		case "*":
			accepted = positive
		}
	}
	return accepted
}
