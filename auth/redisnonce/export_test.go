package redisnonce

import "time"

// Patient gives Redis time to answer on a machine that is busy.
func Patient() Option {
	return func(n *Nonces) { n.wait = time.Minute }
}
