// Command synckitd serves a synckit store in an SQLite file over HTTP, with the
// library's defaults.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8090", "where to listen")
	file := flag.String("file", "events.db", "the store's file")
	flag.Parse()
	store, err := sqlite.New(&sqlite.Config{DataSourceName: *file})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *address) //nolint:noctx // listens until the end
	if err != nil {
		log.Fatal(err)
	}
	logger := log.New(os.Stderr, "", 0)
	server := http.Server{Handler: httptransport.NewSyncHandler(store, logger, nil, nil), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(l))
}
