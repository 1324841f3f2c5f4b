package signing

import (
	"crypto/sha256"
	"encoding/base64"
)

// ContentDigest is the value of the Content-Digest header for a body.
func ContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	value := append(make([]byte, 0, 64), "sha-256=:"...)
	return string(append(base64.StdEncoding.AppendEncode(value, sum[:]), ':'))
}
