// Command centrifuge is a node of Centrifuge, the library that Centrifugo is made of: a
// peer of the benchmark. Channels keep their publications in memory, for those that
// recover or read the history; all else is by its makers' defaults.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // what memory is measured by; it listens on loopback
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

const (
	historySize = 1 << 20 // publications of a channel
	historyTTL  = time.Hour
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "host:port for clients, /healthz and /debug/pprof/")
	flag.Parse()
	if err := serve(*listen); err != nil {
		log.Fatal(err)
	}
}

func serve(listen string) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(allowAll)
	if err := node.Run(); err != nil {
		return err
	}
	http.Handle("/connection", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	served := make(chan error, 1)
	go func() { served <- http.ListenAndServe(listen, nil) }() //nolint:gosec // nobody else reaches it
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case <-stop:
	case err = <-served:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, node.Shutdown(ctx))
}

// allowAll lets a client subscribe, publish and read the history of any channel.
func allowAll(client *centrifuge.Client) {
	client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
		reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true}}, nil)
	})
	client.OnPublish(func(_ centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
		reply(centrifuge.PublishReply{Options: centrifuge.PublishOptions{HistorySize: historySize, HistoryTTL: historyTTL}}, nil)
	})
	client.OnHistory(func(_ centrifuge.HistoryEvent, reply centrifuge.HistoryCallback) {
		reply(centrifuge.HistoryReply{}, nil)
	})
}
