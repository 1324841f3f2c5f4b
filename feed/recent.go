package feed

import (
	"container/list"
	"errors"
	"sync"

	"syncline/record"
)

// recentBytes bounds the histories of all owners together.
const recentBytes = 32 << 20

// recent is a memory of the newest commits of those owners who have followers.
// It stands between followers and the store: a commit that this instance made
// reaches them without a read, and what it does not know is read once for all
// who wait for it. See docs/adr/0013-recent-commits.md.
type recent struct {
	most int // bytes

	mu     sync.Mutex
	owners map[record.Owner]*shared
	bytes  int
	order  list.List // of *shared that hold something; the last to change comes first
}

func newRecent(most int) *recent {
	return &recent{most: most, owners: make(map[record.Owner]*shared)}
}

// shared is what the followers of one owner share. Its mutex is recent's.
type shared struct {
	recent    *recent
	owner     record.Owner
	followers int

	history history
	known   bool // the history is one
	place   *list.Element

	// Reads of the store are numbered as they begin. One at a time has the turn.
	turn     chan struct{}
	began    int
	complete int // the newest read that showed that the history lacks nothing
	failed   int // the newest read that found the store unavailable
	failure  error
}

// join makes room for an owner's history, for one more follower.
func (r *recent) join(owner record.Owner) *shared {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.owners[owner]
	if s == nil {
		s = &shared{recent: r, owner: owner, turn: make(chan struct{}, 1)}
		r.owners[owner] = s
	}
	s.followers++
	return s
}

// leave forgets the history with its last follower.
func (s *shared) leave() {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	if s.followers--; s.followers == 0 {
		s.change(func(h *history) { *h = history{} })
		delete(s.recent.owners, s.owner)
	}
}

// commit takes in what this instance committed. Nobody is there to read that of
// an owner without followers.
func (r *recent) commit(c record.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.owners[c.Owner]
	switch {
	case s == nil:
		return
	case c.Erased > 0:
		s.erase(c.Epoch, c.Erased)
		return
	case len(c.Records) == 0:
		return
	}
	s.change(func(h *history) {
		if !s.known {
			first, _ := span(c)
			h.begin(c.Epoch, first-1)
			s.known = true
		}
		h.commit(c)
	})
}

// erase forgets what was erased: the history is empty after that revision. Under the
// mutex.
func (s *shared) erase(epoch record.Epoch, erased record.Revision) {
	if s.known && s.history.epoch == epoch && s.history.from >= erased {
		return
	}
	s.change(func(h *history) { h.begin(epoch, erased) })
	s.known = true
}

// change changes the history and keeps all of them together within bounds:
// whose owner wrote least recently goes first. Under the mutex.
func (s *shared) change(f func(h *history)) {
	r := s.recent
	r.bytes -= s.history.bytes
	f(&s.history)
	r.bytes += s.history.bytes
	s.file()
	for r.bytes > r.most {
		s := r.order.Back().Value.(*shared)
		r.bytes -= s.history.bytes
		s.history.trim(0)
		s.file()
	}
}

// file puts the history first, or takes it out if it holds nothing.
func (s *shared) file() {
	order := &s.recent.order
	switch {
	case s.history.bytes == 0 && s.place != nil:
		order.Remove(s.place)
		s.place = nil
	case s.history.bytes > 0 && s.place == nil:
		s.place = order.PushFront(s)
	case s.history.bytes > 0:
		order.MoveToFront(s.place)
	}
}

// begin tells where a follower begins that is told of what comes from now on.
func (s *shared) begin(account record.Account) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	if !s.known {
		s.known = true
		s.history.begin(account.Epoch, account.Head)
	}
}

// note takes note of a revision that a hint told of.
func (s *shared) note(revision record.Revision) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	s.history.raise(revision)
}

// compare takes note of a head that was read after a follower stood at a
// position. One that is behind says that the database was restored.
func (s *shared) compare(head, position record.Revision) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	s.history.raise(head)
	if head < position {
		s.known = false
		s.change(func(h *history) { *h = history{raised: h.raised} })
	}
}

// after is what the history has after a cursor, and the number of the last read
// of the store so far.
func (s *shared) after(since record.Cursor, first int) (page record.Page, ok bool, began int) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	if s.known {
		page, ok = s.history.after(since, first)
	}
	return page, ok, s.began
}

// answered tells a follower who waited for its turn what reads that began since
// have brought: a page, which is empty if nothing came after the cursor, or
// that the store is unavailable. It is false if the follower must read itself.
func (s *shared) answered(began int, since record.Cursor, first int) (page record.Page, ok bool, err error) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	if s.failed > began {
		return record.Page{}, true, s.failure
	}
	if !s.known {
		return record.Page{}, false, nil
	}
	if page, ok = s.history.after(since, first); ok {
		return page, true, nil
	}
	if s.complete > began && s.history.isAt(since) && s.history.head == s.history.target {
		return record.Page{Cursor: since, Head: s.history.head}, true, nil
	}
	return record.Page{}, false, nil
}

// storeRead is a read of the store that is under way.
type storeRead struct {
	number int
	raised int // the history's as it began
}

func (s *shared) beginRead() storeRead {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	s.began++
	return storeRead{s.began, s.history.raised}
}

// endRead learns from a read after a cursor.
func (s *shared) endRead(r storeRead, since record.Cursor, page record.Page, err error) {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	if unavailable := new(record.UnavailableError); errors.As(err, &unavailable) {
		s.failed, s.failure = r.number, err
	}
	if tooOld, ok := errors.AsType[*record.CursorTooOldError](err); ok && s.known {
		s.erase(s.history.epoch, tooOld.Floor) // perhaps another instance erased all
	}
	if err != nil || s.followers == 0 {
		return
	}
	s.change(func(h *history) { s.learn(h, since, page, r.raised) })
	if !page.HasMore && s.known && s.history.head >= page.Head {
		s.complete = r.number
	}
}

func (s *shared) learn(h *history, since record.Cursor, page record.Page, raised int) {
	if epoch, end, ok := page.Cursor.Exact(); ok && !s.known && !page.HasMore {
		after := end
		if _, position, ok := since.Exact(); ok {
			after = position
		}
		h.begin(epoch, after)
		s.known = true
	}
	if s.known {
		h.learn(since, page, raised)
	}
}
