package stored

import "syncline/synckit"

// Single is the commit that stores one event of this node's own.
func Single(event synckit.Event, version synckit.Version) synckit.Commit {
	return synckit.Commit{Append: []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: event, Version: version}}}}
}

// Encoded is what a store of bytes keeps of a commit.
type Encoded struct {
	Events  []synckit.EncodedEvent // of Append
	Reviews [][]byte               // of AddReviews
}

// Encode checks and encodes a commit's events and reviews.
func Encode(commit synckit.Commit) (Encoded, error) {
	encoded := Encoded{
		Events:  make([]synckit.EncodedEvent, len(commit.Append)),
		Reviews: make([][]byte, len(commit.AddReviews)),
	}
	for i, e := range commit.Append {
		var err error
		if encoded.Events[i], err = synckit.Encode(e.Event); err != nil {
			return Encoded{}, err
		}
	}
	for i, r := range commit.AddReviews {
		var err error
		if encoded.Reviews[i], err = EncodeReview(r); err != nil {
			return Encoded{}, err
		}
	}
	return encoded, nil
}

// Wakes tells whether those who wait for a change should look. They need not for
// cursors: whoever syncs on each change would wake itself for ever.
func Wakes(commit synckit.Commit, appended []string) bool {
	return len(appended)+len(commit.AddReviews)+len(commit.EndReviews) > 0
}
