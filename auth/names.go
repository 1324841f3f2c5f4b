package auth

import (
	"context"
	"net/netip"

	"syncline/internal/clientaddr"
	"syncline/internal/turns"
)

// Names are those for whom the work of a context is done, when it takes turns with
// that of others: its owner and its address, or its address and all that nobody signed.
func Names(ctx context.Context) []turns.Name {
	p, signed := FromContext(ctx)
	network := clientaddr.Network(clientaddr.FromContext(ctx))
	switch {
	case signed && network.IsValid():
		return []turns.Name{{Of: p.Key, Weight: 1}, {Of: network, Weight: addressWeight}}
	case signed:
		return []turns.Name{{Of: p.Key, Weight: 1}}
	case network.IsValid():
		return []turns.Name{{Of: unsignedFrom{network}, Weight: 1}, unsignedByAll}
	default:
		return []turns.Name{unsignedByAll}
	}
}

// unsignedFrom is what comes from an address without a signature.
type unsignedFrom struct{ network netip.Prefix }

var unsignedByAll = turns.Name{Of: unsignedFrom{}, Weight: addressWeight}

// addressWeight is as how many owners an address counts that several may share.
const addressWeight = 4
