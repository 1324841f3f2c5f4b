// Command nats is a NATS server with JetStream: a peer of the benchmark. All is by
// its makers' defaults but its addresses, its directory, whether it syncs each write,
// and that a stream may have more than 1,000 consumers (a watcher of a bucket is one).
package main

import (
	"errors"
	"flag"
	"log"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // what memory is measured by; it listens on loopback
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:4222", "host:port for clients")
	profiles := flag.String("profiles", "127.0.0.1:6060", "host:port of /healthz and /debug/pprof/")
	dir := flag.String("dir", "", "where streams lie")
	syncEach := flag.Bool("sync-each", false, "sync each write before it is acknowledged (sync_interval: always), not every 2 minutes")
	flag.Parse()
	if err := serve(*listen, *profiles, *dir, *syncEach); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, profiles, dir string, syncEach bool) error {
	address, err := netip.ParseAddrPort(listen)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: address.Addr().String(), Port: int(address.Port()),
		JetStream: true, StoreDir: dir, SyncAlways: syncEach, NoSigs: true,
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1},
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the server is not ready after a minute")
	}
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	observed := make(chan error, 1)
	go func() { observed <- http.ListenAndServe(profiles, nil) }() //nolint:gosec // nobody else reaches it
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case <-stop:
	case err = <-observed:
	}
	s.Shutdown()
	s.WaitForShutdown()
	return err
}
