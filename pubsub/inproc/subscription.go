package inproc

import "syncline/pubsub"

type subscription struct {
	bus     *Bus
	key     key
	mailbox *pubsub.Mailbox
}

// Hints implements pubsub.Subscription.
func (s *subscription) Hints() <-chan pubsub.Hint { return s.mailbox.Hints() }

// Notify implements pubsub.Subscription.
func (s *subscription) Notify(wake func()) { s.mailbox.Notify(wake) }

// Close implements pubsub.Subscription.
func (s *subscription) Close() {
	s.bus.remove(s)
	s.mailbox.Close()
}
