package synckit

import (
	"context"
	"slices"
	"sort"
	"strings"
)

// holding is the direction of a cursor of the manager's own: which entries of the own log the peer
// is known to hold. A log notes once for each entry that some peer holds it (Confirmed); with
// several peers this tells of which it is true. It is stored with the pull's cursor: what was
// seen up to that is in it, whichever process of the store wrote last.
const holding Direction = "held"

// held is what is known of the entries of the own log beside one peer's log.
type held struct {
	// lost is the position of the newest entry when the peer was found to have another log than
	// before; 0: it was not. What came from the peer and stands above it is held.
	lost Position
	// known are the positions, in runs that are ascending and apart, of entries that were seen
	// in the peer's log, and of those that do not have to be: what is not sent there, or was
	// refused, or was sent twice and not seen.
	known []span
}

// add takes in the positions from first to last.
func (h *held) add(first, last Position) {
	if first > last {
		return
	}
	from := sort.Search(len(h.known), func(i int) bool { return h.known[i].last+1 >= first })
	to := from
	for ; to < len(h.known) && h.known[to].first <= last+1; to++ {
		first, last = min(first, h.known[to].first), max(last, h.known[to].last)
	}
	h.known = slices.Replace(h.known, from, to, span{first, last})
}

func (h held) has(p Position) bool {
	i := sort.Search(len(h.known), func(i int) bool { return h.known[i].last >= p })
	return i < len(h.known) && h.known[i].first <= p
}

// upTo is the position up to which nothing is left to find out.
func (h held) upTo() Position {
	if len(h.known) == 0 || h.known[0].first > 1 {
		return 0
	}
	return h.known[0].last
}

// holds tells whether the peer was seen to hold an entry.
func (h held) holds(e Entry, peer string) bool {
	if h.brought(e, peer) {
		return true
	}
	return (e.Origin != "" || e.Confirmed) && h.has(e.Position)
}

// brought tells whether an entry came from the peer's log as it is now.
func (h held) brought(e Entry, peer string) bool { return e.Origin == peer && e.Position > h.lost }

func (h held) clone() held { return held{h.lost, slices.Clone(h.known)} }

// String writes lost, then each run, such as "0 1-57 60-62".
func (h held) String() string {
	var text strings.Builder
	text.WriteString(h.lost.String())
	for _, run := range h.known {
		text.WriteString(" " + run.first.String() + "-" + run.last.String())
	}
	return text.String()
}

// parseHeld reads what String wrote.
func parseHeld(text string) (h held) {
	for i, field := range strings.Fields(text) {
		if i == 0 {
			h.lost = parsePosition(field)
			continue
		}
		first, last, _ := strings.Cut(field, "-")
		h.add(max(parsePosition(first), 1), parsePosition(last))
	}
	return h
}

// readHeld gives what is stored, and as which text. Where nothing is, as in a log of an earlier
// release, what was pushed until now is taken for known: of that the log's own notes are believed.
func (m *Manager) readHeld(ctx context.Context) (h held, text string, err error) {
	if text, err = m.cursor(ctx, holding); err != nil {
		return held{}, "", err
	}
	if h = parseHeld(text); text == "" {
		pushed, err := m.cursor(ctx, Pushing)
		if err != nil {
			return held{}, "", err
		}
		h.add(1, parsePosition(strings.TrimPrefix(pushed, allPrefix)))
	}
	upTo, _, err := m.erasedUpTo(ctx)
	h.add(1, upTo)
	return h, text, err
}

// beginHeld adds to a push's commit what is known, if that was never stored.
func (m *Manager) beginHeld(ctx context.Context, b *batch, commit *Commit) error {
	if err := m.recall(ctx); err != nil || b.held != "" || m.watched.stored != "" {
		return err
	}
	stored, err := m.cursor(ctx, holding)
	if err != nil || stored != "" { // another process has
		m.watched.ready = false
		return err
	}
	b.held = m.watched.held.String()
	commit.Cursors = append(commit.Cursors, m.at(holding, b.held))
	return nil
}
