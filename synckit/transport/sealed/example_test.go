package sealed_test

import (
	"fmt"
	"log"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/client/seal"
	"syncline/synckit/transport/sealed"
	"syncline/synckit/transport/synclinetransport"
)

func ExampleOver() {
	identity, err := signing.GenerateKey() // the user's, which each device has
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New("http://localhost:8080/graphql", identity)
	if err != nil {
		log.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		log.Fatal(err)
	}
	codec, err := sealed.WithKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	transport := sealed.Over(synclinetransport.New(c, nil), codec, sealed.Options{})
	fmt.Println(transport.Close())
	// Output: <nil>
}
