package httptransport

import (
	"bytes"
	"compress/gzip"
	stderrors "errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"syncline/synckit/errors"
)

const (
	gzipEncoding = "gzip"
	jsonType     = "application/json"
	headerCursor = "Synckit-Cursor"
	headerMore   = "Synckit-More"
)

// limitedReader fails with TooLarge where io.LimitedReader would end as if all
// had been read.
type limitedReader struct {
	from io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.from.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

var errTooLarge = errors.New(errors.TooLarge, "read body", stderrors.New("the body is above its limit"))

// decoded reads a body by its Content-Encoding, which must not exceed one limit
// as it is sent, and another when it is decompressed.
func decoded(body io.Reader, encoding string, sent, decompressed int64) (io.Reader, error) {
	body = &limitedReader{from: body, left: sent}
	switch strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case gzipEncoding:
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		return &limitedReader{from: unzipped, left: decompressed}, nil
	default:
		return nil, errors.New(errors.Unsupported, "read body", fmt.Errorf("content encoding %.40q", encoding))
	}
}

// encoded compresses a body that is above a size.
func encoded(body []byte, above int) (sent []byte, encoding string, err error) {
	if above < 0 || len(body) <= above {
		return body, "", nil
	}
	var b bytes.Buffer
	zipper := gzip.NewWriter(&b)
	if _, err := zipper.Write(body); err != nil {
		return nil, "", err
	}
	if err := zipper.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), gzipEncoding, nil
}

// acceptsGzip tells whether a client takes gzip.
func acceptsGzip(h http.Header) bool {
	for _, one := range strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, quality, _ := strings.Cut(one, ";")
		quality = strings.TrimRight(strings.ReplaceAll(quality, " ", ""), "0.")
		if strings.EqualFold(strings.TrimSpace(name), gzipEncoding) && quality != "q=" {
			return true
		}
	}
	return false
}
