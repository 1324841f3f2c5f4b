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
	// 1: savings Deposited 100
	// 2: savings Withdrawn 30
	// 3: holiday Deposited 500
	// holiday has 500
	// savings has 70
}
