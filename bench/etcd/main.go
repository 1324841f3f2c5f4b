// Command etcd is etcd as its makers ship it: a peer of the benchmark. It takes
// etcd's own flags and has etcd's own defaults; each commit is synced.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
