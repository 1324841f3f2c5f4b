package client

import (
	"context"

	"syncline/auth/signing"
)

// Erased is what EraseAccount did.
type Erased struct {
	Records int `json:"erasedRecords"` // that there were
	// Cursor is the position right after: that of a device which has nothing.
	Cursor Cursor
}

// EraseAccount erases all data of an owner for good: records, locks and what the server
// remembers of writes. owner must be the client's own, as [Client.Owner] has it: a
// safeguard. Nobody is shown any of it from then on. Other devices learn of it by
// ErrCursorTooOld, and then find nothing; so does this one with a cursor from before.
//
// Of the options, WithMutationID makes the call safe to repeat, also after the app was
// restarted: it does not erase what was written since.
func (c *Client) EraseAccount(ctx context.Context, owner signing.PublicKey, opts ...WriteOption) (Erased, error) {
	input := struct {
		Owner      string `json:"owner"`
		MutationID string `json:"mutationId"`
	}{owner.String(), c.writeOptions(opts).MutationID}
	var answer struct{ EraseAccount Erased }
	_, err := c.call(ctx, operation{document: eraseAccountDocument, marked: true}, withInput(input), &answer)
	return answer.EraseAccount, err
}
