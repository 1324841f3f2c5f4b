package entstore

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"syncline/record"
)

// key names a row of an owner: a record, a mutation or a lock.
type key struct {
	owner record.Owner
	id    string
}

// wants is what a group's transaction reads before it judges. Each is named once.
type wants struct {
	owners    []record.Owner // sorted
	records   []key
	mutations []key
	fences    []key
}

// wants says what a group's transaction must read. It is sorted: so rows are
// locked in one order, and indexes are walked in theirs.
func (g group) wants() wants {
	var w wants
	for _, m := range g {
		w.owners = append(w.owners, m.owner)
		for _, write := range m.request.Writes {
			w.records = append(w.records, key{m.owner, write.ID})
		}
		if id := m.request.MutationID; id != nil {
			w.mutations = append(w.mutations, key{m.owner, *id})
		}
		if fence := m.request.Fence; fence != nil {
			w.fences = append(w.fences, key{m.owner, fence.Lock})
		}
	}
	w.owners = sorted(w.owners, compareOwners)
	w.records = sorted(w.records, compareKeys)
	w.mutations = sorted(w.mutations, compareKeys)
	w.fences = sorted(w.fences, compareKeys)
	return w
}

// sorted sorts in place, and leaves out what is there twice.
func sorted[T comparable](s []T, compare func(a, b T) int) []T {
	slices.SortFunc(s, compare)
	return slices.Compact(s)
}

func compareOwners(a, b record.Owner) int { return bytes.Compare(a[:], b[:]) }

func compareKeys(a, b key) int {
	return cmp.Or(compareOwners(a.owner, b.owner), cmp.Compare(a.id, b.id))
}

// state is what a transaction has read of all owners of a group. The members
// change it as they are judged: each sees what those before it did.
type state struct {
	epoch    record.Epoch
	base     record.Revision // of the epoch
	accounts map[record.Owner]*accountState
	// damaged are mutations that cannot be read. Their members fail alone.
	damaged map[key]error
}

// accountState is what a transaction has read of an owner. An owner without one
// is locked by another process.
type accountState struct {
	record.Account
	records   map[string]record.Stored
	mutations map[string]*record.Mutation
	fences    map[string]record.FenceToken
	members   int  // of the group
	changed   bool // by a member of the group
}

func newState() *state {
	return &state{accounts: map[record.Owner]*accountState{}, damaged: map[key]error{}}
}

func (s *state) addAccount(owner record.Owner, a record.Account) {
	s.accounts[owner] = &accountState{Account: a}
}

func (s *state) addRecord(k key, r record.Stored) {
	if a := s.accounts[k.owner]; a != nil {
		put(&a.records, k.id, r)
	}
}

func (s *state) addFence(k key, fence int64) {
	if a := s.accounts[k.owner]; a != nil {
		put(&a.fences, k.id, record.FenceToken(fence))
	}
}

func (s *state) setEpoch(base int64, name []byte) {
	s.base = record.Revision(base)
	copy(s.epoch[:], name)
}

func (s *state) addMutation(k key, digest, revisions []byte) {
	a := s.accounts[k.owner]
	if a == nil {
		return
	}
	m, err := decodeMutation(digest, revisions)
	if err != nil {
		s.damaged[k] = err
		return
	}
	put(&a.mutations, k.id, m)
}

// put makes the map when it is needed: of most owners there is nothing to put.
func put[V any](m *map[string]V, id string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[id] = v
}

// countMembers tells which owners have several members in the group.
func (s *state) countMembers(g group) {
	for _, m := range g {
		if a := s.accounts[m.owner]; a != nil {
			a.members++
		}
	}
}

// judged is a member with what its group came to. With an error, there is no
// verdict.
type judged struct {
	*member
	verdict record.Verdict
	err     error
	// stale: members before it changed what it was judged by, so that it stands
	// only if they do.
	stale bool
}

// judge judges a member by what the members before it left.
func (s *state) judge(m *member, now time.Time) judged {
	a := s.accounts[m.owner]
	j := judged{member: m, stale: a.changed}
	request := m.request
	view := record.State{Account: a.Account, Base: s.base, Records: a.records}
	view.Epoch = s.epoch
	if request.MutationID != nil {
		view.Mutation = a.mutations[*request.MutationID]
		if j.err = s.damaged[key{m.owner, *request.MutationID}]; j.err != nil {
			return j
		}
	}
	if request.Fence != nil {
		view.Fence = a.fences[request.Fence.Lock]
	}
	if j.verdict, j.err = record.Judge(view, request, now); j.err == nil {
		a.apply(request, j.verdict)
	}
	return j
}

func (a *accountState) apply(request record.Request, v record.Verdict) {
	if !changes(v) {
		return
	}
	a.changed = true
	a.Account = v.Account
	if a.members == 1 { // nobody is judged by it
		return
	}
	for _, r := range v.Changed {
		put(&a.records, r.ID, record.Stored{Record: r, DataBytes: int64(len(r.Data))})
	}
	if v.Mutation != nil {
		put(&a.mutations, *request.MutationID, v.Mutation)
	}
}

// changes tells whether there is anything to keep.
func changes(v record.Verdict) bool { return len(v.Changed) > 0 || v.Mutation != nil }

// needsCommit tells whether the answer waits for the commit. That of a replay
// does, though it changes nothing: on PostgreSQL that waits until the replicas
// that must have them have all commits so far, among them the one that is
// answered for again.
func (j judged) needsCommit() bool {
	return j.err == nil && (changes(j.verdict) || j.verdict.Result.Replayed)
}

// answer tells the member, given what became of the commit.
func (j judged) answer(commit error) {
	switch {
	case commit == nil || !j.needsCommit() && !j.stale:
		j.member.answer(j.verdict.Result, j.err)
	case j.needsCommit():
		j.member.answer(record.Result{}, commit)
	default: // it changed nothing, but what it was judged by may not stand
		j.member.answer(record.Result{}, &record.UnavailableError{RetryAfter: retryAfter, Err: commit})
	}
}

// withoutData are the records that conflicts and replays show and whose data
// nobody read yet.
func withoutData(all []judged) map[key][]*record.Record {
	var lacking map[key][]*record.Record
	for _, j := range all {
		for _, r := range j.verdict.Result.Results {
			if r.Record == nil || r.Record.Deleted || r.Record.Data != nil {
				continue
			}
			if lacking == nil {
				lacking = map[key][]*record.Record{}
			}
			k := key{j.owner, r.Record.ID}
			lacking[k] = append(lacking[k], r.Record)
		}
	}
	return lacking
}

// fill completes records with the data that they share.
func fill(records []*record.Record, data []byte) {
	for _, r := range records {
		if r.Data = data; data == nil {
			r.Data = []byte{} // empty data is not missing
		}
	}
}

// keeps is what a transaction writes: of each row, its last state.
type keeps struct {
	accounts  []keptAccount
	records   []keptRecord
	mutations []keptMutation
}

type keptAccount struct {
	owner record.Owner
	record.Account
}

type keptRecord struct {
	owner *record.Owner
	*record.Record
}

type keptMutation struct {
	owner *record.Owner
	id    string
	head  record.Revision
	*record.Mutation
}

// collect says what to keep. A record that a later member changed again is kept
// as that one left it.
func (s *state) collect(all []judged) keeps {
	var k keeps
	for i := range all {
		j := &all[i]
		if j.err != nil || !changes(j.verdict) {
			continue
		}
		a := s.accounts[j.owner]
		for n := range j.verdict.Changed {
			r := &j.verdict.Changed[n]
			if a.members == 1 || a.records[r.ID].Revision == r.Revision {
				k.records = append(k.records, keptRecord{&j.owner, r})
			}
		}
		if m := j.verdict.Mutation; m != nil {
			k.mutations = append(k.mutations, keptMutation{&j.owner, *j.request.MutationID, j.verdict.Account.Head, m})
		}
		if len(j.verdict.Changed) > 0 && a.Head == j.verdict.Account.Head {
			k.accounts = append(k.accounts, keptAccount{j.owner, a.Account})
		}
	}
	return k
}
