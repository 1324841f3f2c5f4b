package record

import (
	"reflect"
	"testing"
	"time"
)

var judged = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))

// testState holds a live record a at 1 (its data left out), a live record b at
// 2 and a tombstone t at 4.
func testState() State {
	return State{
		Account: Account{Head: 4, Epoch: testEpoch, RecordCount: 2, StoredBytes: 8},
		Fence:   3,
		Records: map[string]Stored{
			"a": {Record{ID: "a", Revision: 1, SchemaVersion: "1", ClientID: "old"}, 5},
			"b": {Record{ID: "b", Revision: 2, Data: []byte("bbb")}, 3},
			"t": {Record{ID: "t", Revision: 4, Deleted: true, SchemaVersion: "9"}, 0},
		},
	}
}

func TestJudgeStampsRecords(t *testing.T) {
	t.Parallel()
	client := "phone"
	stamp := time.Date(2026, 3, 1, 11, 0, 0, 123456000, time.UTC)
	request := Request{Kind: KindBatch, ClientID: &client, Writes: []Write{
		{ID: "n", Data: []byte("new"), SchemaVersion: "2"},
		{ID: "a", Delete: true, Revision: 1},
		{ID: "t", Revision: 0},
	}}
	v, err := Judge(testState(), request, judged)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{ID: "n", Data: []byte("new"), Revision: 5, SchemaVersion: "2", ClientID: "phone", UpdatedAt: stamp},
		{ID: "a", Deleted: true, Revision: 6, SchemaVersion: "1", ClientID: "phone", UpdatedAt: stamp},
		{ID: "t", Data: []byte{}, Revision: 7, ClientID: "phone", UpdatedAt: stamp},
	}
	if !reflect.DeepEqual(v.Changed, want) {
		t.Errorf("changed %+v", v.Changed)
	}
	if want := (Account{Head: 7, Epoch: testEpoch, RecordCount: 3, StoredBytes: 6}); v.Account != want {
		t.Errorf("account %+v, want %+v", v.Account, want)
	}
	if v.Result.Head != 7 || v.Mutation != nil {
		t.Errorf("head %d, mutation %v", v.Result.Head, v.Mutation)
	}
}

func TestJudgeCountsAboveTheBase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ head, base, want Revision }{
		{0, 0, 1}, {0, 1000, 1001}, {4, 1000, 1001}, {1000, 1000, 1001}, {1500, 1000, 1501},
	} {
		state := State{Account: Account{Head: c.head}, Base: c.base}
		v, err := Judge(state, Request{Kind: KindSet, Writes: []Write{{ID: "x"}}}, judged)
		if err != nil || v.Account.Head != c.want || v.Result.Results[0].NewRevision != c.want {
			t.Errorf("head %d, base %d: %+v, %v", c.head, c.base, v, err)
		}
	}
}

func TestJudgeInOrder(t *testing.T) {
	t.Parallel()
	id := "m"
	conflicting := Request{Kind: KindSet, MutationID: &id, Writes: []Write{{ID: "b", Revision: 9}}}
	other := &Mutation{Revisions: []Revision{1}}
	same := &Mutation{Digest: conflicting.Digest(), Revisions: []Revision{2}}
	tests := []struct {
		name     string
		mutation *Mutation
		fence    *Fence
		status   Status
		replayed bool
		err      error
	}{
		{"reused and fenced and clashing", other, &Fence{Token: 1}, 0, false, ErrMutationIDReused},
		{"replayed, though fenced and clashing", same, &Fence{Token: 1}, Success, true, nil},
		{"fenced and clashing", nil, &Fence{Token: 2}, 0, false, ErrFenced},
		{"ahead of the fence and clashing", nil, &Fence{Token: 4}, 0, false, invalid("fence.token", "")},
		{"clashing", nil, &Fence{Token: 3}, Conflict, false, nil},
	}
	for _, c := range tests {
		state, request := testState(), conflicting
		state.Mutation, request.Fence = c.mutation, c.fence
		v, err := Judge(state, request, judged)
		if !sameError(err, c.err) || v.Result.Status != c.status || v.Result.Replayed != c.replayed {
			t.Errorf("%s: %+v, %v", c.name, v.Result, err)
		}
		if len(v.Changed) != 0 || v.Mutation != nil || v.Account != state.Account || v.Result.Head != 0 {
			t.Errorf("%s: something changes: %+v", c.name, v)
		}
	}
}

func TestJudgeFences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		granted, forgotten, token FenceToken
		want                      error
	}{
		{1, 0, 1, nil},
		{5, 0, 5, nil},
		{5, 0, 4, ErrFenced},
		{5, 0, 0, ErrFenced},
		{5, 0, -1, ErrFenced},
		{5, 0, 6, invalid("fence.token", "")},
		{0, 0, 1, invalid("fence.lock", "")},
		{0, 0, 0, invalid("fence.lock", "")},
		{0, 7, 7, ErrFenced},
		{0, 7, 1, ErrFenced},
		{0, 7, 8, invalid("fence.lock", "")},
		{0, 7, 0, invalid("fence.lock", "")},
		{8, 7, 7, ErrFenced},
		{8, 7, 8, nil},
	}
	for _, c := range tests {
		if err := checkFence(State{Fence: c.granted, Forgotten: c.forgotten}, &Fence{Lock: "l", Token: c.token}); !sameError(err, c.want) {
			t.Errorf("granted %d, forgotten %d, token %d: %v, want %v", c.granted, c.forgotten, c.token, err, c.want)
		}
	}
	if err := checkFence(State{}, nil); err != nil {
		t.Errorf("no fence: %v", err)
	}
}

func TestJudgeRemembersAcceptedMutations(t *testing.T) {
	t.Parallel()
	id := "m"
	request := Request{Kind: KindBatch, MutationID: &id, Writes: []Write{
		{ID: "b", Revision: 2}, {ID: "t", Revision: 4, Delete: true}, {ID: "n"},
	}}
	v, err := Judge(testState(), request, judged)
	if err != nil {
		t.Fatal(err)
	}
	want := &Mutation{Digest: request.Digest(), Revisions: []Revision{5, 4, 6}}
	if !reflect.DeepEqual(v.Mutation, want) {
		t.Errorf("mutation %+v, want %+v", v.Mutation, want)
	}
	state := testState()
	state.Mutation = v.Mutation
	again, err := Judge(state, request, judged)
	if err != nil || !again.Result.Replayed || again.Result.Results[2].NewRevision != 6 || again.Result.Results[2].Record != nil {
		t.Errorf("replay %+v, %v", again.Result, err)
	}
}

func TestDigestTellsContentsApart(t *testing.T) {
	t.Parallel()
	requests := []Request{
		{Kind: KindSet, Writes: []Write{{ID: "a"}}},
		{Kind: KindBatch, Writes: []Write{{ID: "a"}}},
		{Kind: KindDelete, Writes: []Write{{ID: "a", Delete: true}}},
		{Kind: KindBatch, Writes: []Write{{ID: "a", Delete: true}}},
		{Kind: KindSet, Writes: []Write{{ID: "a", Revision: 1}}},
		{Kind: KindSet, Writes: []Write{{ID: "a", Data: []byte("b")}}},
		{Kind: KindSet, Writes: []Write{{ID: "ab"}}},
		{Kind: KindSet, Writes: []Write{{ID: "a", SchemaVersion: "b"}}},
		{Kind: KindBatch, Writes: []Write{{ID: "a"}, {ID: "b"}}},
		{Kind: KindBatch, Writes: []Write{{ID: "b"}, {ID: "a"}}},
	}
	seen := map[Digest]int{}
	for i, r := range requests {
		if j, ok := seen[r.Digest()]; ok {
			t.Errorf("requests %d and %d have one digest", i, j)
		}
		seen[r.Digest()] = i
	}
	client, fence := "phone", Fence{Lock: "l", Token: 1}
	envelope := requests[0]
	envelope.ClientID, envelope.Fence = &client, &fence
	if envelope.Digest() != requests[0].Digest() {
		t.Error("client id and fence are no content")
	}
	empty := requests[0]
	empty.Writes = []Write{{ID: "a", Data: []byte{}}}
	if empty.Digest() != requests[0].Digest() {
		t.Error("empty data differs from none")
	}
}
