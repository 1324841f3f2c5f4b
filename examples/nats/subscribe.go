package natstransport

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"syncline/synckit"
)

// Subscribe implements synckit.Transport. It blocks until ctx ends. NATS connects
// again by itself, and an ordered consumer goes on where it was. handler is
// called without events whenever the connection stands.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	var consumer jetstream.Consumer
	err := t.call(ctx, "subscribe", func(bound context.Context) error {
		var err error
		consumer, err = t.js.OrderedConsumer(bound, t.stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.life, func() { cancel(context.Cause(t.life)) })()

	connected := t.conn.StatusChanged(nats.CONNECTED)
	defer t.conn.RemoveStatusListener(connected)
	news := make(chan jetstream.Msg)
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		select {
		case news <- msg:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return err
	}
	defer consuming.Stop()
	if err := handler(nil); err != nil {
		return err
	}
	for {
		var events []synckit.EventWithVersion
		select {
		case <-connected:
		case msg := <-news:
			if events, err = decodeLive(msg); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := handler(events); err != nil {
			return err
		}
	}
}

func decodeLive(msg jetstream.Msg) ([]synckit.EventWithVersion, error) {
	metadata, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	var live []synckit.EventWithVersion
	if e, err := decode(msg.Data(), metadata.Sequence.Stream); err == nil { // else a pull tells what is wrong with it
		live = append(live, e)
	}
	return live, nil
}
