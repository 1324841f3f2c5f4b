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
	// "hello" has arrived, as number 1
	// the server is away; the laptop writes on
	// "now I am back" has arrived, as number 3
}
