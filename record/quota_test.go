package record

import (
	"errors"
	"testing"
)

// testState has two live records, of five and three bytes, and a tombstone.
func TestQuotas(t *testing.T) {
	t.Parallel()
	create := Write{ID: "n", Data: []byte("1234")}
	grow := Write{ID: "b", Data: []byte("1234567"), Revision: 2}
	shrink := Write{ID: "a", Data: []byte("1"), Revision: 1}
	remove := Write{ID: "b", Delete: true, Revision: 2}
	revive := Write{ID: "t"}
	for _, c := range []struct {
		name    string
		quota   Quota
		writes  []Write
		refused bool
	}{
		{"none", Quota{}, []Write{create, grow}, false},
		{"room for one more", Quota{Records: 3}, []Write{create}, false},
		{"no room for one more", Quota{Records: 2}, []Write{create}, true},
		{"over a tombstone", Quota{Records: 2}, []Write{revive}, true},
		{"just enough bytes", Quota{Bytes: 12}, []Write{create}, false},
		{"a byte too many", Quota{Bytes: 11}, []Write{create}, true},
		{"a record that grows", Quota{Bytes: 11}, []Write{grow}, true},
		{"records are full, one grows", Quota{Records: 2}, []Write{grow}, false},
		{"a batch that grows and makes room", Quota{Records: 2, Bytes: 9}, []Write{create, remove}, false},
		{"a batch that makes too little room", Quota{Bytes: 8}, []Write{create, remove}, true},
		{"lowered below use, shrinking", Quota{Records: 1, Bytes: 1}, []Write{shrink}, false},
		{"lowered below use, deleting", Quota{Records: 1, Bytes: 1}, []Write{remove}, false},
		{"lowered below use, growing", Quota{Records: 1, Bytes: 1}, []Write{grow}, true},
		{"records over, bytes with room", Quota{Records: 1, Bytes: 100}, []Write{create}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id := "once"
			request := Request{Kind: KindBatch, Writes: c.writes, MutationID: &id, Quota: c.quota}
			v, err := Judge(testState(), request, judged)
			exceeded, is := errors.AsType[*QuotaExceededError](err)
			if is != c.refused || !is && err != nil {
				t.Fatalf("%+v, %v", v, err)
			}
			if is && (exceeded.Quota != c.quota || exceeded.RecordCount != 2 || exceeded.StoredBytes != 8) {
				t.Errorf("%+v", exceeded)
			}
			if is && (len(v.Changed) > 0 || v.Mutation != nil) {
				t.Errorf("refused, and yet %+v", v)
			}
		})
	}
}

// What comes first in the order of the contract is told first.
func TestQuotasAreJudgedLast(t *testing.T) {
	t.Parallel()
	full := Quota{Records: 1, Bytes: 1}
	conflict := Request{Kind: KindSet, Writes: []Write{{ID: "a", Data: []byte("123456")}}, Quota: full}
	if v, err := Judge(testState(), conflict, judged); err != nil || v.Result.Status != Conflict {
		t.Errorf("a conflict: %+v, %v", v, err)
	}
	fenced := Request{Kind: KindSet, Writes: []Write{{ID: "n"}}, Fence: &Fence{Lock: "l", Token: 2}, Quota: full}
	if _, err := Judge(testState(), fenced, judged); !errors.Is(err, ErrFenced) {
		t.Errorf("a fenced write: %v", err)
	}
	id := "once"
	replay := Request{Kind: KindSet, Writes: []Write{{ID: "n"}}, MutationID: &id}
	state := testState()
	state.Mutation = &Mutation{Digest: replay.Digest(), Revisions: []Revision{1}}
	replay.Quota = full
	if v, err := Judge(state, replay, judged); err != nil || !v.Result.Replayed {
		t.Errorf("a replay: %+v, %v", v, err)
	}
}
