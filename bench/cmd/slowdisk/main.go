// Command slowdisk is the launcher of package slowdisk.
package main

import (
	"fmt"
	"os"

	"syncline/bench/slowdisk"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: slowdisk program [argument...]")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "slowdisk:", slowdisk.Exec(os.Args[1], os.Args[2:]))
	os.Exit(1)
}
