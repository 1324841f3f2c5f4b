package resolve

import (
	"context"
	"fmt"

	"syncline/synckit"
)

// Review leaves conflicts to a person. The manager keeps them in its log's
// reviews, where they wait without holding up anything else; its Reviews and
// Decide list and end them.
type Review struct {
	// Reason is shown with each review; may be empty.
	Reason string
}

var _ synckit.ConflictResolver = Review{}

// Resolve implements synckit.ConflictResolver.
func (r Review) Resolve(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	if r.Reason == "" {
		return nil, synckit.ErrReview
	}
	return nil, fmt.Errorf("%w: %s", synckit.ErrReview, r.Reason)
}
