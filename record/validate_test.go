package record

import (
	"errors"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n) }
	set := func(w Write) Request { return Request{Kind: KindSet, Writes: []Write{w}} }
	client := func(s string) Request { r := set(Write{ID: "a"}); r.ClientID = &s; return r }
	mutation := func(s string) Request { r := set(Write{ID: "a"}); r.MutationID = &s; return r }
	lock := func(s string) Request { r := set(Write{ID: "a"}); r.Fence = &Fence{Lock: s}; return r }
	writes := func(n int) Request {
		r := Request{Kind: KindBatch}
		for i := range n {
			r.Writes = append(r.Writes, Write{ID: text(i%60+1) + string(rune('a'+i/60))})
		}
		return r
	}
	tests := []struct {
		name    string
		request Request
		field   string // empty: accepted
	}{
		{"id of 1", set(Write{ID: "a"}), ""},
		{"id of 64", set(Write{ID: text(64)}), ""},
		{"id of 64 bytes of UTF-8", set(Write{ID: strings.Repeat("é", 32)}), ""},
		{"id of 0", set(Write{}), "id"},
		{"id of 65", set(Write{ID: text(65)}), "id"},
		{"id of 66 bytes in 33 characters", set(Write{ID: strings.Repeat("é", 33)}), "id"},
		{"id with a control character", set(Write{ID: "a\x00b"}), "id"},
		{"id with a C1 control character", set(Write{ID: "a\u0085"}), "id"},
		{"id that is not UTF-8", set(Write{ID: "\xff"}), "id"},
		{"data of 64 KiB", set(Write{ID: "a", Data: make([]byte, 64<<10)}), ""},
		{"data of one more", set(Write{ID: "a", Data: make([]byte, 64<<10+1)}), "data"},
		{"revision 2^53-1", set(Write{ID: "a", Revision: 1<<53 - 1}), ""},
		{"revision 2^53", set(Write{ID: "a", Revision: 1 << 53}), "revision"},
		{"revision -1", set(Write{ID: "a", Revision: -1}), "revision"},
		{"schemaVersion of 15", set(Write{ID: "a", SchemaVersion: text(15)}), ""},
		{"schemaVersion of 16", set(Write{ID: "a", SchemaVersion: text(16)}), "schemaVersion"},
		{"schemaVersion with a line break", set(Write{ID: "a", SchemaVersion: "1\n"}), "schemaVersion"},
		{"clientId of 1", client("x"), ""},
		{"clientId of 64", client(text(64)), ""},
		{"clientId of 0", client(""), "clientId"},
		{"clientId of 65", client(text(65)), "clientId"},
		{"clientId with a tab", client("\t"), "clientId"},
		{"mutationId of 1", mutation("x"), ""},
		{"mutationId of 64", mutation(text(64)), ""},
		{"mutationId of 0", mutation(""), "mutationId"},
		{"mutationId of 65", mutation(text(65)), "mutationId"},
		{"mutationId with DEL", mutation("\x7f"), "mutationId"},
		{"lock of 1", lock("x"), ""},
		{"lock of 256", lock(text(256)), ""},
		{"lock of 0", lock(""), "fence.lock"},
		{"lock of 257", lock(text(257)), "fence.lock"},
		{"batch of 1", writes(1), ""},
		{"batch of 100", writes(100), ""},
		{"batch of 0", writes(0), "writes"},
		{"batch of 101", writes(101), "writes"},
		{"the same record twice", Request{Kind: KindBatch, Writes: []Write{{ID: "a"}, {ID: "b"}, {ID: "a"}}}, "writes.2.set.id"},
		{"set and delete of one record", Request{Kind: KindBatch, Writes: []Write{{ID: "a"}, {ID: "a", Delete: true}}}, "writes.1.delete.id"},
		{"in a batch: id", Request{Kind: KindBatch, Writes: []Write{{ID: "a"}, {ID: ""}}}, "writes.1.set.id"},
		{"in a batch: data", Request{Kind: KindBatch, Writes: []Write{{ID: "a", Data: make([]byte, 64<<10+1)}}}, "writes.0.set.data"},
		{"in a batch: revision of a delete", Request{Kind: KindBatch, Writes: []Write{{ID: "a", Delete: true, Revision: -1}}}, "writes.0.delete.revision"},
		{"in a batch: schemaVersion", Request{Kind: KindBatch, Writes: []Write{{ID: "a", SchemaVersion: text(16)}}}, "writes.0.set.schemaVersion"},
	}
	for _, c := range tests {
		err := validate(c.request)
		field := ""
		if invalid, ok := errors.AsType[*InvalidError](err); ok {
			field = invalid.Field
		}
		if field != c.field || (err == nil) != (c.field == "") {
			t.Errorf("%s: %v, want an error for %q", c.name, err, c.field)
		}
	}
}

func TestASetOrDeleteIsOneWrite(t *testing.T) {
	t.Parallel()
	for _, r := range []Request{
		{Kind: KindSet},
		{Kind: KindDelete, Writes: []Write{{ID: "a", Delete: true}, {ID: "b", Delete: true}}},
	} {
		if validate(r) == nil {
			t.Errorf("%d writes are accepted", len(r.Writes))
		}
	}
}
