package breez

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	"syncline/auth"
)

// gRPC-Web's text form is its binary form in base64
// (github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): of a request in one
// piece, of an answer in pieces that end where it is flushed.
const (
	textType   = "application/grpc-web-text"
	binaryType = "application/grpc-web"
)

func isText(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), textType) }

// prefixBytes is what stands before a message: whether it is compressed, and its length.
const prefixBytes = 5

// maxBodyBytes is what a body may have: a message with what stands around it. In the text form the
// prefix may be a piece of its own, padded as the message is.
func maxBodyBytes(h http.Header) int64 {
	if isText(h) {
		return int64(base64.StdEncoding.EncodedLen(prefixBytes) + base64.StdEncoding.EncodedLen(maxMessageBytes))
	}
	return maxMessageBytes + prefixBytes
}

// withLength is a request whose length is known from the prefix of its message,
// where HTTP does not tell: gRPC does not. ahead reads its body.
func withLength(r *http.Request, ahead *bufio.Reader) *http.Request {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" { // may become as large as any
		r = r.WithContext(r.Context()) // a copy
		r.ContentLength = -1
		return r
	}
	if r.ContentLength >= 0 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") || isText(r.Header) {
		return r
	}
	known := r.WithContext(r.Context()) // a copy
	var message io.Reader = ahead
	if prefix, err := ahead.Peek(prefixBytes); err == nil && prefix[0]&1 == 0 { // one that is compressed may become as large as any
		known.ContentLength = prefixBytes + int64(binary.BigEndian.Uint32(prefix[1:]))
		if known.ContentLength <= int64(ahead.Buffered()) {
			whole, _ := ahead.Peek(int(known.ContentLength)) // is there
			known.Body = auth.Arrived(whole, r.Body)
			return known
		}
		message = io.LimitReader(ahead, known.ContentLength)
	}
	known.Body = struct {
		io.Reader
		io.Closer
	}{message, r.Body}
	return known
}

// asBinary is a request of the text form with the headers of the binary form.
func asBinary(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", binaryType+strings.TrimPrefix(r.Header.Get("Content-Type"), textType))
	return r
}

// decodeText makes a request of the text form one of the binary form.
func decodeText(r *http.Request) (*http.Request, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return r, err
	}
	var data []byte
	for len(text) > 0 { // pieces may have been padded each
		piece := text
		if i := bytes.IndexByte(text, '='); i >= 0 {
			piece = text[:min(len(text), (i/4+1)*4)]
		}
		text = text[len(piece):]
		if data, err = base64.StdEncoding.AppendDecode(data, piece); err != nil {
			return r, err
		}
	}
	r = asBinary(r)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	return r, nil
}

// textWriter writes an answer in the text form.
type textWriter struct {
	http.ResponseWriter
	pending []byte // since the last flush
	begun   bool   // the header was written
}

// Unwrap is for http.ResponseController.
func (w *textWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *textWriter) WriteHeader(status int) {
	h := w.Header()
	if kind := h.Get("Content-Type"); strings.HasPrefix(kind, binaryType) {
		h.Set("Content-Type", textType+strings.TrimPrefix(kind, binaryType))
	}
	h.Del("Content-Length")
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer. What it keeps goes out with a flush, or once it is much.
func (w *textWriter) Write(data []byte) (int, error) {
	const whole = 48 << 10 // a multiple of 3
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.pending = append(w.pending, data...)
	for len(w.pending) >= whole {
		if err := w.emit(whole); err != nil {
			return 0, err
		}
	}
	return len(data), nil
}

func (w *textWriter) emit(n int) error {
	text := base64.StdEncoding.AppendEncode(nil, w.pending[:n])
	w.pending = append(w.pending[:0], w.pending[n:]...)
	_, err := w.ResponseWriter.Write(text)
	return err
}

// Flush implements http.Flusher.
func (w *textWriter) Flush() {
	w.finish()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// finish writes what is left.
func (w *textWriter) finish() {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if len(w.pending) > 0 {
		_ = w.emit(len(w.pending)) // the client may be gone
	}
}
