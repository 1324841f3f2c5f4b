package graph_test

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// largeRecords writes records of 64 KiB, whose ids are the numbers below n.
func largeRecords(t *testing.T, c client, n int) (ids []any) {
	t.Helper()
	for from := 0; from < n; from += 10 {
		writes := make([]vars, min(10, n-from))
		for i := range writes {
			ids = append(ids, strconv.Itoa(from+i))
			writes[i] = vars{"set": vars{"id": ids[from+i], "data": b64(strings.Repeat("x", 64<<10))}}
		}
		c.ok(t, "mutation($input: WriteRecordsInput!) {writeRecords(input: $input) {status}}", vars{"input": vars{"writes": writes}}).
			is("SUCCESS", "writeRecords", "status")
	}
	return ids
}

// dataIn is how many bytes of records' data stand in an answer, however often.
func dataIn(v any) (bytes int) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			bytes += dataIn(element)
		}
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok && strings.HasPrefix(name, "data") {
				bytes += base64.StdEncoding.DecodedLen(len(text)) - strings.Count(text, "=")
			} else {
				bytes += dataIn(value)
			}
		}
	}
	return bytes
}

const maxPageBytes = 4 << 20

func TestPagesOfADocumentAreBoundedTogether(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	largeRecords(t, c, 70)
	for name, query := range map[string]string{
		"two pages":         `{a: changes(first: 40) {...P} b: changes(first: 40) {...P}} fragment P on ChangePage {cursor hasMore records {id data}}`,
		"a page of aliases": `{changes(first: 60) {cursor hasMore records {data data2: data data3: data}}}`,
		"a page twice over": `{changes(first: 60) {cursor hasMore records {data} again: records {data}}}`,
	} {
		a := c.do(t, query, nil)
		if n := dataIn(a.Data); n == 0 || n > maxPageBytes {
			t.Errorf("%s: %d bytes of data", name, n)
		}
		for _, err := range a.Errors {
			if err.Extensions["code"] != "BAD_USER_INPUT" {
				t.Errorf("%s: %v", name, err)
			}
		}
		for field, page := range a.Data {
			if page == nil {
				continue
			}
			// What a page left out comes after its cursor.
			page := tree{t, page}
			page.is("true", "hasMore")
			rest := c.ok(t, changes, vars{"since": page.at("cursor").text(), "first": 1000}).at("changes", "records").len()
			if got := page.at("records").len(); got+rest != 70 {
				t.Errorf("%s: %s has %d records, and %d come after it", name, field, got, rest)
			}
		}
	}
}

func TestRecordsOfADocumentAreBoundedTogether(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	ids := largeRecords(t, c, 70)
	const query = `query($ids: [ID!]!) {records(ids: $ids) {data} limits {maxPage}}`
	if n := dataIn(c.ok(t, query, vars{"ids": ids[:64]}).v); n != maxPageBytes {
		t.Errorf("%d bytes of data", n)
	}
	a := c.do(t, query, vars{"ids": ids[:65]})
	if got := a.refusal(t); got.code != "BAD_USER_INPUT" || a.Data["records"] != nil || !strings.Contains(a.Errors[0].Message, "maxPageBytes") {
		t.Errorf("one too many: %s", clip(a.body))
	}
	var single strings.Builder
	for i := range 49 {
		fmt.Fprintf(&single, `a%d: record(id: "%d") {data data2: data} `, i, i)
	}
	a = c.do(t, `{`+single.String()+`}`, nil)
	if n := dataIn(a.Data); n > maxPageBytes || n < maxPageBytes-128<<10 || len(a.Errors) != 49-32 {
		t.Errorf("49 records twice: %d bytes of data, %d errors", n, len(a.Errors))
	}
}

// A write that was made is answered, whatever it brings; those after it in its
// document are then not made.
func TestWritesOfADocumentAreBoundedTogether(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	ids := largeRecords(t, c, 70)
	clashing := make([]vars, len(ids))
	for i, id := range ids {
		clashing[i] = vars{"set": vars{"id": id, "data": ""}}
	}
	a := c.do(t, `mutation($clash: WriteRecordsInput!, $set: SetRecordInput!) {
		writeRecords(input: $clash) {status results {record {data}}}
		setRecord(input: $set) {status}
	}`, vars{"clash": vars{"writes": clashing}, "set": vars{"id": "new", "data": ""}})
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || fmt.Sprint(a.Errors[0].Path) != "[setRecord]" {
		t.Errorf("the write after it: %s", clip(fmt.Sprint(a.Errors)))
	}
	c.viewer(t).is("70", "head")
	alone := c.ok(t, `mutation($clash: WriteRecordsInput!) {writeRecords(input: $clash) {status results {record {data}}}}`, vars{"clash": vars{"writes": clashing}})
	alone.is("CONFLICT", "writeRecords", "status")
	if n := dataIn(alone.v); n != 70<<16 {
		t.Errorf("%d bytes of data", n)
	}
}
