package signing_test

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"syncline/auth/signing"
)

func ExampleSignRequest() {
	key, err := signing.ParsePrivateKey("0000000000000000000000000000000000000000000000000000000000000001")
	if err != nil {
		panic(err)
	}
	body := []byte(`{"query":"{viewer{id}}"}`)
	req, err := http.NewRequest(http.MethodPost, "https://api.example.com/graphql", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	nonce, err := signing.ParseNonce("000102030405060708090a0b0c0d0e0f") // signing.NewNonce() outside examples
	if err != nil {
		panic(err)
	}
	if err := signing.SignRequest(req, body, key, time.Unix(1732233600, 0), nonce); err != nil {
		panic(err)
	}
	fmt.Println(req.Header.Get("Content-Digest"))
	fmt.Println(req.Header.Get("Signature-Input"))
	fmt.Println(req.Header.Get("Signature"))
	// Output:
	// sha-256=:5jdn9IPfxVhO2B2oPMP+Oa9R3V+wjBKOPVuvU6ITkxo=:
	// sig=("@method" "@authority" "@path" "content-digest");created=1732233600;nonce="000102030405060708090a0b0c0d0e0f";keyid="0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";tag="syncline"
	// sig=:IEeZgdy2a6OwEeZ3dLxz5HxlC+zfMBQAdKN9rf92y0fKWcxBkRLcW6gygimHh6L2n43xTLJwaxLrrkyywMV5veU=:
}
