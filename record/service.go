package record

import (
	"context"
	"log/slog"

	"syncline/pubsub"
)

// Store keeps records. It is safe for concurrent use.
//
// Errors are those of Judge, the context's own, or an *UnavailableError. No
// isolation error or deadlock reaches the caller: they are prevented, or
// retried inside.
type Store interface {
	// Write judges a valid request and applies the verdict, in one transaction
	// that holds the owner's lock from before it reads until it committed, so
	// that revisions become visible in their order. A context that ends after
	// the transaction began does not tear it.
	Write(ctx context.Context, owner Owner, request Request) (Result, error)
	// Erase carries out JudgeErasure in such a transaction. From its commit on nobody
	// is shown a record, or knows a mutation id, that was written before: the store
	// may remove them later, when it is at leisure. Locks and their fences are gone,
	// and locks are the names of those that there were.
	Erase(ctx context.Context, owner Owner, mutationID *string) (erasure Erasure, locks []string, err error)
	// Changes reads a part of the owner's feed from one snapshot.
	Changes(ctx context.Context, owner Owner, span Span) (Snapshot, error)
	// Records reads those of the ids that are stored, tombstones too, from one snapshot.
	Records(ctx context.Context, owner Owner, ids []string) (map[string]Record, error)
	// Account reads what the owner's data adds up to. An owner who never wrote
	// has head 0 and the present epoch.
	Account(ctx context.Context, owner Owner) (Account, error)
	// Heads reads the newest revisions of many owners in one query. An owner
	// who never wrote may be missing.
	Heads(ctx context.Context, owners []Owner) (map[Owner]Revision, error)
}

// Span says which part of a feed to read: live records above After, and
// tombstones above After and above SkipTombstones, in order of revision.
type Span struct {
	After          Revision
	SkipTombstones Revision
	// FromStart leaves out all tombstones: SkipTombstones is the snapshot's head.
	FromStart bool
	// Epoch is the reader's, if it has one. If it is not the present one, the
	// snapshot needs no records but RestoredHead.
	Epoch *Epoch
	Limit int // records at most
	// MaxBytes bounds the sum of the records' data, save that the first record
	// always comes.
	MaxBytes int
}

// Snapshot is a part of a feed, and the owner's account at the same instant.
type Snapshot struct {
	Account
	Records []Record // in ascending order of revision
	More    bool     // the span goes on after Records
	// RestoredHead is the owner's head at the first restore after Span.Epoch,
	// at the first restore on record if that epoch is unknown, or 0; but not below
	// Erased: what a reader has from before is not lost and to be written again.
	RestoredHead Revision
}

// Page is a part of a feed as a client gets it.
type Page struct {
	Records []Record
	Cursors []Cursor // Cursors[i] resumes right after Records[i]
	Cursor  Cursor   // resumes after the page
	HasMore bool
	Head    Revision
}

// Service is the use of records: it validates, lets the store commit, then
// tells the owner's live readers.
type Service struct {
	store     Store
	publisher pubsub.Publisher
	room      Room // nil: there always is
	quota     Quota
	mayBegin  func(context.Context) bool // nil: every owner may
	log       *slog.Logger
	onCommit  []func(Commit)
	sizes     *sizes
}

// NewService puts a store and a publisher to use.
func NewService(store Store, publisher pubsub.Publisher, log *slog.Logger) *Service {
	return &Service{store: store, publisher: publisher, log: log, sizes: newSizes()}
}

// Room tells whether there is room for more.
type Room interface {
	// Left is nil if there is, else what is wrong, for the log. It is asked for
	// each write and does not wait.
	Left() error
}

// LimitGrowth has writes that grow the data refused, as *UnavailableError, while
// there is no room. Deletes, writes that grow nothing and the answers to writes that
// were applied before go on. LimitGrowth is called before the service is used.
func (s *Service) LimitGrowth(room Room) { s.room = room }

// LimitOwners has writes refused, as *QuotaExceededError, that grow what is over
// the quota of their owner. It is called before the service is used.
func (s *Service) LimitOwners(quota Quota) { s.quota = quota }

// Write applies a request whole or not at all. A conflict is a result, not an
// error. Errors are *InvalidError, ErrUnknownOwner, ErrMutationIDReused, ErrFenced,
// *QuotaExceededError, *UnavailableError or the context's.
func (s *Service) Write(ctx context.Context, owner Owner, request Request) (Result, error) {
	if err := validate(request); err != nil {
		return Result{}, err
	}
	if err := s.Admit(ctx, owner); err != nil {
		return Result{}, err
	}
	request.Quota = s.quota
	if s.room != nil {
		request.NoRoom = s.room.Left()
	}
	result, err := s.store.Write(ctx, owner, request)
	if err != nil {
		return Result{}, err
	}
	if result.Head > 0 {
		s.sizes.grow(owner, result.Changed)
		for _, f := range s.onCommit {
			f(Commit{Owner: owner, Epoch: result.Epoch, Records: result.Changed})
		}
		s.tell(ctx, owner, result.Head)
	}
	return result, nil
}

// tell publishes that the owner's head moved. The write stands whatever becomes
// of the hint, so a caller that has gone away must not hold it back.
func (s *Service) tell(ctx context.Context, owner Owner, head Revision) {
	hint := pubsub.Hint{Owner: owner, Topic: pubsub.Records, Revision: int64(head)}
	if err := s.publisher.Publish(context.WithoutCancel(ctx), hint); err != nil {
		s.log.WarnContext(ctx, "hint not published; live feeds catch up by polling", "owner", owner.Short(), "error", err)
	}
}

// Changes reads up to first records, 1 to MaxPage, that were written after a
// cursor. Errors are *InvalidError, *CursorTooOldError, *EpochMismatchError,
// *UnavailableError or the context's.
func (s *Service) Changes(ctx context.Context, owner Owner, since Cursor, first int) (Page, error) {
	return s.ChangesWithin(ctx, owner, since, first, MaxPageBytes)
}

// ChangesWithin is Changes with up to maxBytes of data, save that the first
// record always comes.
func (s *Service) ChangesWithin(ctx context.Context, owner Owner, since Cursor, first, maxBytes int) (Page, error) {
	if first < 1 || first > MaxPage {
		return Page{}, invalid("first", "must be 1 to %d", MaxPage)
	}
	span := Span{
		After:          since.position,
		SkipTombstones: since.walk,
		FromStart:      since.IsStart(),
		Limit:          first,
		MaxBytes:       maxBytes,
	}
	if since.kind == cursorOpaque {
		span.Epoch = &since.epoch
	}
	snapshot, err := s.store.Changes(ctx, owner, span)
	if err != nil {
		return Page{}, err
	}
	s.sizes.set(owner, Size{Records: snapshot.RecordCount + snapshot.Tombstones, Bytes: snapshot.StoredBytes})
	if err := since.check(snapshot); err != nil {
		return Page{}, err
	}
	return newPage(since, snapshot), nil
}

// Live reads up to first live records, 1 to MaxPage, above a revision, and up to
// maxBytes of their data, save that the first record always comes; more tells that
// there are others. It is for clients that know of no deletes, epochs and floors.
// Errors are *UnavailableError or the context's.
func (s *Service) Live(ctx context.Context, owner Owner, above Revision, first, maxBytes int) (records []Record, more bool, err error) {
	snapshot, err := s.store.Changes(ctx, owner, Span{After: above, FromStart: true, Limit: first, MaxBytes: maxBytes})
	if err != nil {
		return nil, false, err
	}
	return snapshot.Records, snapshot.More, nil
}

func newPage(since Cursor, s Snapshot) Page {
	page := Page{Records: s.Records, HasMore: s.More, Head: s.Head, Cursors: make([]Cursor, len(s.Records))}
	for i, r := range s.Records {
		page.Cursors[i] = since.at(s, r.Revision)
	}
	if s.More {
		page.Cursor = page.Cursors[len(s.Records)-1]
	} else {
		page.Cursor = since.at(s, s.Head)
	}
	return page
}

// Record reads one record; nil if it was never written, or is purged.
func (s *Service) Record(ctx context.Context, owner Owner, id string) (*Record, error) {
	if err := validateID("id", id); err != nil {
		return nil, err
	}
	found, err := s.store.Records(ctx, owner, []string{id})
	if err != nil {
		return nil, err
	}
	return pick(found, id), nil
}

// Records reads up to MaxBatch records in the order of their ids, from one
// snapshot; nil where there is none.
func (s *Service) Records(ctx context.Context, owner Owner, ids []string) ([]*Record, error) {
	if err := validateIDs(ids); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := s.store.Records(ctx, owner, ids)
	if err != nil {
		return nil, err
	}
	records := make([]*Record, len(ids))
	for i, id := range ids {
		records[i] = pick(found, id)
	}
	return records, nil
}

func pick(found map[string]Record, id string) *Record {
	if r, ok := found[id]; ok {
		return &r
	}
	return nil
}

// Account reads what the owner's data adds up to.
func (s *Service) Account(ctx context.Context, owner Owner) (Account, error) {
	return s.store.Account(ctx, owner)
}

// Heads reads the newest revisions of many owners in one query; an owner who
// never wrote may be missing.
func (s *Service) Heads(ctx context.Context, owners []Owner) (map[Owner]Revision, error) {
	return s.store.Heads(ctx, owners)
}
