package synclinetransport_test

import (
	"fmt"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/synckit/transport/synclinetransport"
)

// The owner is who has the key: keep it where the app keeps its secrets.
func Example() {
	key, err := signing.GenerateKey()
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := client.New("https://sync.example.com/graphql", key)
	if err != nil {
		fmt.Println(err)
		return
	}
	transport := synclinetransport.New(c, nil)
	defer transport.Close()
	fmt.Println(transport.Peer() == "syncline:"+key.Public().String())
	// Output: true
}
