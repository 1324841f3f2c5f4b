package main

import (
	"context"
	"log"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// pushed 2
	// UserCreated user-7 {"name":"Ada"}
	// OrderPlaced order-1 {"socks":2}
}
