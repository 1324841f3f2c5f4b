package signing

import (
	"crypto/sha256"
	"encoding/base64"
)

// ContentDigest is the value of the Content-Digest header for a body.
func ContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}
