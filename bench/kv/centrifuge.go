package kv

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

// Centrifuge connects to a node at host:port. What is before a key's first dot is its
// channel: to create a key is to publish to it.
func Centrifuge(address string) Dial {
	return func(context.Context) (Conn, error) {
		client := centrifuge.NewProtobufClient("ws://"+address+"/connection?format=protobuf", centrifuge.Config{ReadTimeout: 30 * time.Second})
		return &centrifugeConn{client}, client.Connect()
	}
}

type centrifugeConn struct{ client *centrifuge.Client }

func (c *centrifugeConn) Close() { c.client.Close() }

func (c *centrifugeConn) Create(ctx context.Context, key string, value []byte) error {
	channel, _, _ := strings.Cut(key, ".")
	_, err := c.client.Publish(ctx, channel, encoded(value))
	return err
}

// encoded makes bytes JSON, which the library asks for.
func encoded(value []byte) []byte {
	return strconv.AppendQuote(nil, base64.StdEncoding.EncodeToString(value))
}

func (c *centrifugeConn) Fill(ctx context.Context, prefix string, n int, value []byte) error {
	for range n {
		if _, err := c.client.Publish(ctx, prefix, encoded(value)); err != nil {
			return err
		}
	}
	return nil
}

func (c *centrifugeConn) Watch(ctx context.Context, prefix string, changed func(at time.Time)) error {
	subscription, err := c.client.NewSubscription(prefix)
	if err != nil {
		return err
	}
	stands, failed := make(chan struct{}), make(chan error, 1)
	subscription.OnSubscribed(func(centrifuge.SubscribedEvent) { close(stands) })
	subscription.OnError(func(e centrifuge.SubscriptionErrorEvent) {
		select {
		case failed <- e.Error:
		default:
		}
	})
	subscription.OnPublication(func(centrifuge.PublicationEvent) { changed(time.Now()) })
	if err := subscription.Subscribe(); err != nil {
		return err
	}
	select {
	case <-stands:
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// historyPage is how many publications are asked for at a time.
const historyPage = 1000

func (c *centrifugeConn) CatchUp(ctx context.Context, prefix string, n int) error {
	position := &centrifuge.StreamPosition{}
	for n > 0 {
		page, err := c.client.History(ctx, prefix, centrifuge.WithHistorySince(position), centrifuge.WithHistoryLimit(historyPage))
		if err != nil {
			return err
		}
		if len(page.Publications) == 0 {
			return errEnded
		}
		n -= len(page.Publications)
		position = &centrifuge.StreamPosition{Offset: page.Publications[len(page.Publications)-1].Offset, Epoch: page.Epoch}
	}
	if n < 0 {
		return errors.New("there were more changes than were written")
	}
	return nil
}
