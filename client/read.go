package client

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Get reads a record, or the tombstone of one that was deleted. A record that
// was never written, or whose tombstone is purged, is ErrNotFound.
func (c *Client) Get(ctx context.Context, id string) (Record, error) {
	var answer struct{ Record *Record }
	if _, err := c.call(ctx, operation{document: recordDocument}, map[string]any{"id": id}, &answer); err != nil {
		return Record{}, err
	}
	if answer.Record == nil {
		return Record{}, ErrNotFound
	}
	return *answer.Record, nil
}

// GetMany reads up to 100 records at one instant, in the order asked; nil where
// Get would be ErrNotFound.
func (c *Client) GetMany(ctx context.Context, ids ...string) ([]*Record, error) {
	var answer struct{ Records []*Record }
	if _, err := c.call(ctx, operation{document: recordsDocument}, map[string]any{"ids": append([]string{}, ids...)}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Records) != len(ids) {
		return nil, fmt.Errorf("%w: %d records of %d", ErrProtocol, len(answer.Records), len(ids))
	}
	return answer.Records, nil
}

// Changes reads one page of the feed: at most first records (1 to 1000) that
// were written after since, in order of revision, each in its latest state.
// ErrCursorTooOld and ErrEpochMismatch say that since has become useless.
func (c *Client) Changes(ctx context.Context, since Cursor, first int) (Page, error) {
	if since == Now {
		return Page{}, &Error{Code: ErrBadUserInput, Field: "since", Message: "Now is for Follow; Viewer tells the cursor of the present end"}
	}
	var answer struct{ Changes Page }
	variables := map[string]any{"since": since.wire(), "first": first}
	if _, err := c.call(ctx, operation{document: changesDocument}, variables, &answer); err != nil {
		return Page{}, err
	}
	if answer.Changes.Cursor == "" {
		return Page{}, fmt.Errorf("%w: a page without cursor", ErrProtocol)
	}
	return answer.Changes, nil
}

// pageSize is how many records All asks for at once.
const pageSize = 500

// All reads the feed after since, page by page, up to its present end. Apply
// each page and store its Cursor before the next. It ends at the first error.
func (c *Client) All(ctx context.Context, since Cursor) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		at := since
		for {
			page, err := c.Changes(ctx, at, pageSize)
			if !yield(page, err) || err != nil || !page.HasMore {
				return
			}
			at = page.Cursor
		}
	}
}

// List reads the live records whose ids begin with prefix, all of them if it is
// empty, in the order of their ids. The service has no such query: List walks the
// owner's whole feed, so it takes as long and transfers as much as All from
// Beginning. What was written meanwhile is in it in its latest state.
func (c *Client) List(ctx context.Context, prefix string) ([]Record, error) {
	live := map[string]Record{}
	for page, err := range c.All(ctx, Beginning) {
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			switch {
			case r.Deleted:
				delete(live, r.ID)
			case strings.HasPrefix(r.ID, prefix):
				live[r.ID] = r
			}
		}
	}
	return slices.SortedFunc(maps.Values(live), func(a, b Record) int { return strings.Compare(a.ID, b.ID) }), nil
}

// wire is the cursor as the API has it; nil stands for null.
func (c Cursor) wire() any {
	switch c {
	case Beginning:
		return "0"
	case Now:
		return nil
	}
	return string(c)
}

// Viewer tells who the client is to the server, and what its data adds up to.
func (c *Client) Viewer(ctx context.Context) (Viewer, error) {
	var answer struct{ Viewer Viewer }
	_, err := c.call(ctx, operation{document: viewerDocument}, nil, &answer)
	return answer.Viewer, err
}

// Limits reads what the server holds its clients to. It is not signed, and so
// works with any key and clock.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	var answer struct{ Limits Limits }
	_, err := c.call(ctx, operation{document: limitsDocument, unsigned: true}, nil, &answer)
	return answer.Limits, err
}
