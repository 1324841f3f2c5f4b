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
	// synced, device 1: note is "Groceries"
	// synced, device 1: contract is "Draft by phone"
	// synced, device 2: note is "Groceries"
	// synced, device 2: contract is "Draft by laptop"
	// to decide: contract, 1 here and 1 there
	// decided, device 1: note is "Groceries"
	// decided, device 1: contract is "Draft by laptop"
	// decided, device 2: note is "Groceries"
	// decided, device 2: contract is "Draft by laptop"
}
