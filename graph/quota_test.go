package graph_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"syncline/record"
)

// A client over its quota is told how much it has and may have, in the error as in
// limits, and may delete.
func TestQuotaIsTold(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{quota: record.Quota{Records: 2, Bytes: 10}})
	c := a.as("alice")
	c.set(t, "a", "12345", 0)
	c.set(t, "b", "12345", 0)
	refused := c.refused(t, setRecord, vars{"input": vars{"id": "c", "data": b64(""), "revision": 0}}, refusal{200, "QUOTA_EXCEEDED", ""})
	for name, want := range map[string]string{"maxRecords": "2", "maxStoredBytes": "10", "records": "2", "storedBytes": "10"} {
		if got := fmt.Sprint(refused.Errors[0].Extensions[name]); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	c.refused(t, setRecord, vars{"input": vars{"id": "a", "data": b64("123456"), "revision": 1}}, refusal{200, "QUOTA_EXCEEDED", ""})
	c.delete(t, "b", 2).is("SUCCESS", "status")
	c.set(t, "a", "1234567890", 1).is("SUCCESS", "status")
	a.as("bob").set(t, "a", "1234567890", 0).is("SUCCESS", "status") // whose quota is his own
	v := c.ok(t, "{viewer {recordCount storedBytes maxRecords maxStoredBytes}}", nil).at("viewer")
	v.is("1", "recordCount")
	v.is("10", "storedBytes")
	v.is("2", "maxRecords")
	v.is("10", "maxStoredBytes")
	l := a.as("").ok(t, "{limits {maxRecords maxStoredBytes}}", nil).at("limits")
	l.is("2", "maxRecords")
	l.is("10", "maxStoredBytes")
}

// A quota of an owner's own is told to that owner.
func TestOwnQuotaIsTold(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{quota: record.Quota{Records: 2, Bytes: 10}})
	c := a.as("alice")
	c.set(t, "a", "", 0)
	owner, err := hex.DecodeString(keyOf("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := a.db.SetQuota(t.Context(), record.Owner(owner), record.Quota{Records: 1, Bytes: record.Unbounded}); !found || err != nil {
		t.Fatal(found, err)
	}
	v := c.ok(t, "{viewer {maxRecords maxStoredBytes}}", nil).at("viewer")
	v.is("1", "maxRecords")
	v.is("null", "maxStoredBytes")
	refused := c.refused(t, setRecord, vars{"input": vars{"id": "b", "data": b64(""), "revision": 0}}, refusal{200, "QUOTA_EXCEEDED", ""})
	if x := refused.Errors[0].Extensions; fmt.Sprintf("%v %v", x["maxRecords"], x["maxStoredBytes"]) != "1 <nil>" {
		t.Errorf("told %v", x)
	}
}
