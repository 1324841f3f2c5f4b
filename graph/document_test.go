package graph_test

import "testing"

func TestAwkwardTextComesBackAsItWent(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	ids := []string{
		" ", "  a  ", `"`, `\`, `\\`, `\n`, "'", "`", "/", "../..", "a/b", "a:b", "a\u00a0b", "%00", "%", "_", "*", "?", "#", "$id", "{}", "[]",
		"null", "true", "0", "-1", "a;b", "a|b", "a,b", "a\u2028b", "\ufeff", "\u200b", "\ufffd", "\ue000", "é", "e\u0301", "İ", "A", "a",
		"日本語", "🙂", "👩‍👩‍👧", "שלום", "__proto__", "constructor", "__typename", "<script>", "&amp;", "--", "DROP TABLE", "\U0010ffff", "ſ", "ß", "ẞ",
	}
	for _, id := range ids {
		input := vars{"id": id, "data": b64(id), "mutationId": id, "clientId": id}
		created := c.ok(t, setRecord, vars{"input": input}).at("setRecord")
		created.is("SUCCESS", "status")
		created.is(id, "record", "id")
		created.is(id, "record", "clientId")
		c.lock(t, vars{"name": id, "instanceId": id}).is(id, "lock", "holders", 0, "instanceId")
	}
	page := c.ok(t, changes, vars{"first": 1000}).at("changes", "records")
	if page.len() != len(ids) {
		t.Fatalf("%d records of %d", page.len(), len(ids))
	}
	for i, id := range ids {
		page.is(id, i, "id")
		c.ok(t, `query($id: ID!) {record(id: $id) {data}}`, vars{"id": id}).is(b64(id), "record", "data")
		c.ok(t, `query($name: String!) {lock(name: $name) {name}}`, vars{"name": id}).is(id, "lock", "name")
	}
}

func TestDocumentsThatAreWrong(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	needSignature := map[string]bool{
		`{viewer}`: true, `{viewer {unknown}}`: true, `{unknown}`: true, `{record {id}}`: true, `{record(id: "a", id: "b") {id}}`: true,
		`{record(id: $id) {id}}`: true, `{limits {maxPage} limits: viewer {id}}`: true,
		`query($r: Int = 99999999999999999999) {changes(first: $r) {head}}`: true,
	}
	for _, c := range []client{a.as(""), a.as("alice")} {
		for query, want := range map[string]string{
			``:                                       "GRAPHQL_VALIDATION_FAILED",
			`{`:                                      "GRAPHQL_PARSE_FAILED",
			`}`:                                      "GRAPHQL_PARSE_FAILED",
			"{viewer {id}} \x00":                     "GRAPHQL_PARSE_FAILED",
			`{viewer}`:                               "GRAPHQL_VALIDATION_FAILED",
			`{viewer {unknown}}`:                     "GRAPHQL_VALIDATION_FAILED",
			`{unknown}`:                              "GRAPHQL_VALIDATION_FAILED",
			`{record {id}}`:                          "GRAPHQL_VALIDATION_FAILED",
			`{record(id: "a", id: "b") {id}}`:        "GRAPHQL_VALIDATION_FAILED",
			`{record(id: $id) {id}}`:                 "GRAPHQL_VALIDATION_FAILED",
			`query($a: Int) {limits {maxPage}}`:      "GRAPHQL_VALIDATION_FAILED",
			`{...A}`:                                 "GRAPHQL_VALIDATION_FAILED",
			`{limits {maxPage} limits: viewer {id}}`: "GRAPHQL_VALIDATION_FAILED",
			`fragment A on Query {limits {maxPage}}`: "GRAPHQL_VALIDATION_FAILED",
			`subscription {__typename}`:              "GRAPHQL_VALIDATION_FAILED",
			`query($c: Boolean = true) {limits @skip(if: $c) {maxPage}}`:        "",
			`{limits @skip {maxPage}}`:                                          "GRAPHQL_VALIDATION_FAILED",
			`query($r: Int = 99999999999999999999) {changes(first: $r) {head}}`: "GRAPHQL_VALIDATION_FAILED",
		} {
			got := c.do(t, query, nil)
			code := ""
			if len(got.Errors) > 0 {
				code = got.refusal(t).code
			}
			status := 400
			if c.owner == "" && needSignature[query] { // which is looked at first
				status, want = 401, "UNAUTHENTICATED"
			}
			if code != want || want != "" && (got.status != status || got.Data != nil) {
				t.Errorf("%s: status %d: %s", query, got.status, clip(got.body))
			}
		}
		c.refused(t, `query($c: Boolean = true) {limits @skip(if: $c) {maxPage}}`, vars{"c": nil}, invalid)
	}
}

func TestASubscriptionHasOneRootField(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	for _, query := range []string{
		`subscription {a: lockChanged(name: "a") {name} b: lockChanged(name: "b") {name}}`,
		`subscription {...A} fragment A on Subscription {a: lockChanged(name: "a") {name} ... {lockChanged(name: "b") {name}}}`,
		`subscription {lockChanged(name: "a") {name} recordChanged {kind}}`,
		`subscription {lockChanged(name: "a") @skip(if: true) {name}}`,
		`subscription {... @include(if: false) {recordChanged {kind}}}`,
		`subscription {__typename}`,
	} {
		c.refused(t, query, nil, invalid)
	}
}
