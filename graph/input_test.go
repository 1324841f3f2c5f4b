package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// operations are what the cases below put their values into.
var operations = map[string]struct{ declaration, call string }{
	"setRecord":    {"mutation($v: SetRecordInput!)", "setRecord(input: $v) {status}"},
	"deleteRecord": {"mutation($v: DeleteRecordInput!)", "deleteRecord(input: $v) {status}"},
	"writeRecords": {"mutation($v: WriteRecordsInput!)", "writeRecords(input: $v) {status}"},
	"setLock":      {"mutation($v: SetLockInput!)", "setLock(input: $v) {status}"},
	"eraseAccount": {"mutation($v: EraseAccountInput!)", "eraseAccount(input: $v) {erasedRecords}"},
	"first":        {"query($v: Int!)", "changes(first: $v) {head}"},
	"since":        {"query($v: Cursor)", "changes(since: $v) {head}"},
	"id":           {"query($v: ID!)", "record(id: $v) {id}"},
	"ids":          {"query($v: [ID!]!)", "records(ids: $v) {id}"},
	"name":         {"query($v: String!)", "lock(name: $v) {name}"},
}

var (
	fine    = refusal{200, "", ""}
	invalid = refusal{400, "GRAPHQL_VALIDATION_FAILED", ""}
)

func bad(field string) refusal    { return refusal{200, "BAD_USER_INPUT", field} }
func outOfRange(f string) refusal { return refusal{400, "BAD_USER_INPUT", f} }
func text(n int) string           { return quote(strings.Repeat("x", n)) }
func quote(s string) string       { b, _ := json.Marshal(s); return string(b) }
func data(n int) string           { return quote(b64(strings.Repeat("x", n))) }
func set(field, value string) string {
	return withField(`"id":"a","data":"","revision":9`, field, value)
}

// withField is a JSON object with one field replaced or added.
func withField(fields, field, value string) string {
	object := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte("{"+fields+"}"), &object); err != nil {
		panic(err)
	}
	object[field] = json.RawMessage(value)
	b, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func inBatch(writes ...string) string { return `{"writes":[` + strings.Join(writes, ",") + `]}` }

func many(n int, format string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

type inputCase struct {
	operation string
	value     string // JSON; as a literal it loses the quotes of its names
	variable  refusal
	literal   refusal
}

func both(operation, value string, want refusal) inputCase {
	return inputCase{operation, value, want, want}
}

func inputCases() []inputCase {
	return slices.Concat(textCases(), numberCases(), bytesCases(), batchCases(), typeCases())
}

func textCases() []inputCase {
	lock := func(field, value string) string {
		return withField(`"name":"l","instanceId":"i","acquire":false`, field, value)
	}
	cases := []inputCase{
		both("setRecord", set("id", text(64)), fine),
		both("setRecord", set("id", text(65)), bad("input.id")),
		both("setRecord", set("id", `""`), bad("input.id")),
		both("setRecord", set("id", quote(strings.Repeat("é", 32))), fine),
		both("setRecord", set("id", quote(strings.Repeat("é", 32)+"x")), bad("input.id")),
		both("deleteRecord", `{"id":"","revision":1}`, bad("input.id")),
		both("setRecord", set("schemaVersion", text(15)), fine),
		both("setRecord", set("schemaVersion", text(16)), bad("input.schemaVersion")),
		both("setRecord", set("schemaVersion", `"a\u0007"`), bad("input.schemaVersion")),
		both("setRecord", set("clientId", text(64)), fine),
		both("setRecord", set("clientId", text(65)), bad("input.clientId")),
		both("setRecord", set("clientId", `""`), bad("input.clientId")),
		both("setRecord", set("clientId", `null`), fine),
		both("setRecord", set("mutationId", text(64)), fine),
		both("setRecord", set("mutationId", text(65)), bad("input.mutationId")),
		both("setRecord", set("mutationId", `""`), bad("input.mutationId")),
		both("deleteRecord", `{"id":"a","revision":1,"mutationId":"\u0000"}`, bad("input.mutationId")),
		both("setRecord", set("fence", `{"lock":`+text(257)+`,"token":1}`), bad("input.fence.lock")),
		both("setRecord", set("fence", `{"lock":"","token":1}`), bad("input.fence.lock")),
		both("setRecord", set("fence", `{"lock":"free","token":1}`), bad("input.fence.lock")),
		both("setLock", lock("name", text(256)), fine),
		both("setLock", lock("name", text(257)), bad("input.name")),
		both("setLock", lock("name", `""`), bad("input.name")),
		both("setLock", lock("instanceId", text(64)), fine),
		both("setLock", lock("instanceId", text(65)), bad("input.instanceId")),
		both("setLock", lock("instanceId", `"\u0000"`), bad("input.instanceId")),
		both("eraseAccount", `{"owner":`+quote(keyOf("alice"))+`,"mutationId":`+text(65)+`}`, bad("input.mutationId")),
		both("eraseAccount", `{"owner":`+quote(keyOf("bob"))+`}`, bad("input.owner")),
		both("eraseAccount", `{"owner":`+quote(strings.ToUpper(keyOf("alice")))+`}`, bad("input.owner")),
		both("eraseAccount", `{"owner":""}`, bad("input.owner")),
		both("eraseAccount", `{"owner":null}`, invalid),
		both("id", text(64), fine),
		both("id", text(65), bad("id")),
		both("id", `12`, fine),
		both("ids", `["a","b","c",""]`, bad("ids.3")),
		both("ids", `[`+strings.Join(many(100, `"%d"`), ",")+`]`, fine),
		both("ids", `[`+strings.Join(many(101, `"%d"`), ",")+`]`, bad("ids")),
		both("ids", `[]`, fine),
		both("name", text(256), fine),
		both("name", text(257), bad("name")),
		both("since", `"nonsense"`, bad("since")),
		both("since", `""`, bad("since")),
		both("since", `"-1"`, bad("since")),
		both("since", `"01"`, bad("since")),
		both("since", `"9007199254740992"`, bad("since")),
		both("since", `"99999999999999999999999"`, bad("since")),
		both("since", `"0"`, fine),
		both("since", `null`, fine),
	}
	for _, control := range []string{`\u0000`, `\n`, `\r`, `\t`, `\u001f`, `\u007f`, `\u0080`, `\u0085`, `\u009f`} {
		cases = append(cases, both("setRecord", set("id", `"a`+control+`b"`), bad("input.id")),
			both("id", `"`+control+`"`, bad("id")), both("name", `"`+control+`"`, bad("name")))
	}
	return cases
}

func numberCases() []inputCase {
	var cases []inputCase
	for value, want := range map[string]inputCase{
		`9007199254740991`:     both("", "", fine),
		`9007199254740992`:     both("", "", bad("%s")),
		`-1`:                   both("", "", bad("%s")),
		`1.5`:                  both("", "", bad("%s")),
		`1.0`:                  both("", "", bad("%s")),
		`1e3`:                  both("", "", bad("%s")),
		`1e400`:                {"", "", bad("%s"), outOfRange("%s")},
		`"1"`:                  both("", "", bad("%s")),
		`true`:                 both("", "", bad("%s")),
		`9223372036854775807`:  both("", "", bad("%s")),
		`9223372036854775808`:  {"", "", bad("%s"), outOfRange("%s")},
		`-9223372036854775809`: {"", "", bad("%s"), outOfRange("%s")},
		`1` + digits(400):      {"", "", bad("%s"), outOfRange("%s")},
		`[1]`:                  both("", "", bad("%s")),
		`null`:                 both("", "", invalid),
	} {
		at := func(operation, value, field string) inputCase {
			v, l := want.variable, want.literal
			if v.field != "" {
				v.field = field
			}
			if l.field != "" {
				l.field = field
			}
			return inputCase{operation, value, v, l}
		}
		cases = append(cases,
			at("setRecord", set("revision", value), "input.revision"),
			at("deleteRecord", `{"id":"a","revision":`+value+`}`, "input.revision"),
			at("writeRecords", inBatch(`{"delete":{"id":"b","revision":1}}`, `{"set":{"id":"a","data":"","revision":`+value+`}}`), "input.writes.1.set.revision"),
			at("writeRecords", inBatch(`{"delete":{"id":"a","revision":`+value+`}}`), "input.writes.0.delete.revision"))
		if want.variable != fine {
			cases = append(cases, at("setRecord", set("fence", `{"lock":"free","token":`+value+`}`), "input.fence.token"))
		}
	}
	return append(cases,
		both("first", `1`, fine),
		both("first", `1000`, fine),
		both("first", `0`, bad("first")),
		both("first", `1001`, bad("first")),
		both("first", `-1`, bad("first")),
		both("first", `2147483647`, bad("first")),
		inputCase{"first", `2147483648`, bad("first"), bad("first")},
		inputCase{"first", `9223372036854775808`, invalid, outOfRange("first")},
		inputCase{"first", `1.5`, invalid, invalid},
		inputCase{"first", `"5"`, bad("first"), invalid},
		both("setLock", `{"name":"l","instanceId":"i","ttlSeconds":0}`, bad("input.ttlSeconds")),
		both("setLock", `{"name":"l","instanceId":"i","ttlSeconds":-1}`, bad("input.ttlSeconds")),
		both("setLock", `{"name":"l","instanceId":"i","ttlSeconds":-2147483648}`, bad("input.ttlSeconds")),
		both("setLock", `{"name":"l","instanceId":"i","ttlSeconds":2147483648}`, bad("input.ttlSeconds")),
		both("setLock", `{"name":"l","instanceId":"i","ttlSeconds":0,"acquire":false}`, fine),
	)
}

func digits(n int) string { return strings.Repeat("0", n) }

func bytesCases() []inputCase {
	var cases []inputCase
	for value, want := range map[string]refusal{
		data(64 << 10):   fine,
		data(64<<10 + 1): bad("input.data"),
		`""`:             fine,
		`"YQ=="`:         fine,
		`"YQ"`:           bad("input.data"), // no padding
		`"YQ="`:          bad("input.data"),
		`"YQ==="`:        bad("input.data"),
		`"YR=="`:         bad("input.data"), // bits that mean nothing
		`"Y"`:            bad("input.data"),
		`"=YQ="`:         bad("input.data"),
		`"YQ==YQ=="`:     bad("input.data"),
		`"YQ==\n"`:       bad("input.data"),
		`"Y\r\nQ=="`:     bad("input.data"),
		`"\n"`:           bad("input.data"),
		`"YWJj\rZGVm"`:   bad("input.data"),
		`" YQ=="`:        bad("input.data"),
		`"YQ\t=="`:       bad("input.data"),
		`"-_-_"`:         bad("input.data"), // the other alphabet
		`"ÄÖÜ="`:         bad("input.data"),
		`1`:              bad("input.data"),
		`true`:           bad("input.data"),
		`null`:           invalid,
	} {
		cases = append(cases, both("setRecord", set("data", value), want))
	}
	return append(cases,
		both("writeRecords", inBatch(`{"delete":{"id":"b","revision":1}}`, `{"set":{"id":"a","data":"YQ=","revision":9}}`), bad("input.writes.1.set.data")),
		both("writeRecords", inBatch(`{"set":{"id":"a","revision":9,"data":`+data(64<<10+1)+`}}`), bad("input.writes.0.set.data")))
}

func batchCases() []inputCase {
	const del = `{"delete":{"id":"%d","revision":1}}`
	return []inputCase{
		both("writeRecords", inBatch(), bad("input.writes")),
		both("writeRecords", inBatch(many(100, del)...), fine),
		both("writeRecords", inBatch(many(101, del)...), bad("input.writes")),
		both("writeRecords", inBatch(`{"delete":{"id":"a","revision":1}}`, `{"set":{"id":"a","data":""}}`), bad("input.writes.1.set.id")),
		both("writeRecords", inBatch(`{"set":{"id":"x","data":"","revision":9}}`, `{"delete":{"id":"","revision":1}}`), bad("input.writes.1.delete.id")),
		both("writeRecords", inBatch(`{"set":{"id":"x","data":"","schemaVersion":"`+strings.Repeat("x", 16)+`"}}`), bad("input.writes.0.set.schemaVersion")),
		both("writeRecords", `{"writes":[{"delete":{"id":"a","revision":1}}],"mutationId":""}`, bad("input.mutationId")),
		both("writeRecords", `{"writes":[{"delete":{"id":"a","revision":1}}],"clientId":""}`, bad("input.clientId")),
		// One of set and delete: gqlparser looks at literals, we at variables.
		{"writeRecords", inBatch(`{}`), bad("input.writes.0"), invalid},
		{"writeRecords", inBatch(`{"set":null}`), bad("input.writes.0"), invalid},
		{"writeRecords", inBatch(`{"delete":{"id":"a","revision":1},"set":null}`), bad("input.writes.0"), invalid},
		{"writeRecords", inBatch(`{"delete":{"id":"b","revision":1}}`, `{"delete":{"id":"a","revision":1},"set":{"id":"a","data":""}}`), bad("input.writes.1"), invalid},
	}
}

func typeCases() []inputCase {
	return []inputCase{
		both("setRecord", set("unknown", `1`), invalid),
		both("setRecord", set("fence", `{"lock":"l","token":1,"more":1}`), invalid),
		both("setRecord", `{"id":"a"}`, invalid),
		both("setRecord", `{}`, invalid),
		both("setRecord", `[]`, invalid),
		both("setRecord", `"text"`, invalid),
		both("setRecord", `null`, invalid),
		both("setRecord", set("id", `null`), invalid),
		both("setRecord", set("id", `true`), invalid),
		{"setRecord", set("id", `{}`), invalid, bad("input.id")},
		both("setRecord", set("revision", `null`), invalid),
		both("setRecord", set("schemaVersion", `null`), invalid),
		{"setRecord", set("schemaVersion", `1`), bad("input.schemaVersion"), invalid},
		{"setRecord", set("clientId", `1`), bad("input.clientId"), invalid},
		{"setRecord", set("id", `1.5`), bad("input.id"), invalid},
		both("writeRecords", inBatch(`null`), invalid),
		both("writeRecords", inBatch(`{"set":{"id":"a"}}`), invalid),
		both("writeRecords", inBatch(`{"other":{"id":"a"}}`), invalid),
		both("setLock", `{"name":"l","instanceId":"i","acquire":1}`, invalid),
		both("setLock", `{"name":"l","instanceId":"i","exclusive":"true"}`, invalid),
		both("since", `1`, bad("since")),
		both("since", `true`, bad("since")),
		both("id", `true`, invalid),
		both("id", `null`, invalid),
		both("ids", `null`, invalid),
		both("ids", `[null]`, invalid),
		{"name", `5`, bad("name"), invalid},
	}
}

func TestInputAtAndBeyondItsLimits(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "kept", "", 0)
	for _, test := range inputCases() {
		op := operations[test.operation]
		variable := c.send(t, map[string]any{
			"query":     op.declaration + " {" + op.call + "}",
			"variables": map[string]any{"v": json.RawMessage(test.value)},
		})
		if test.variable == invalid { // it says where in the variables
			test.variable.field = variable.refusal(t).field
			if path := test.variable.field; path != "v" && !strings.HasPrefix(path, "v.") || !strings.HasPrefix(variable.Errors[0].Message, "variable "+path+": ") {
				t.Errorf("%s: field %q, message %q", test.value, path, variable.Errors[0].Message)
			}
		}
		check(t, "variable", test, variable, test.variable)
		kind, _, _ := strings.Cut(op.declaration, "(")
		literal := c.do(t, kind+" {"+strings.Replace(op.call, "$v", asLiteral(t, test.value), 1)+"}", nil)
		check(t, "literal", test, literal, test.literal)
	}
	v := c.viewer(t)
	v.is("1", "head")
	v.is("1", "recordCount")
}

// What does not fit a variable's type is told by its place in the variables.
func TestVariablesThatDoNotFitAreNamed(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	for _, test := range []struct {
		query     string
		variables vars
		field     string
		message   string
	}{
		{setRecord, vars{"input": vars{"data": ""}}, "input.id", "variable input.id: must be defined"},
		{setRecord, vars{"input": vars{"id": "a", "data": nil}}, "input.data", "variable input.data: cannot be null"},
		{setRecord, nil, "input", "variable input: must be defined"},
		{writeRecords, vars{"input": vars{"writes": []any{vars{"delete": vars{"id": "a", "revision": 1}}, vars{"set": vars{"id": "a"}}}}}, "input.writes.1.set.data", "variable input.writes.1.set.data: must be defined"},
		{changes, vars{"first": "ten"}, "first", "variable first: cannot use string as Int"},
	} {
		a := c.do(t, test.query, test.variables)
		if got := a.refusal(t); got != (refusal{400, "GRAPHQL_VALIDATION_FAILED", test.field}) || a.Errors[0].Message != test.message || a.Errors[0].Path != nil {
			t.Errorf("%v: %s, want %q of %s", test.variables, a.body, test.message, test.field)
		}
	}
}

// A variable that has a default, or stands where there is one, may be null by GraphQL's rules
// of variables. What must not be null is refused all the same.
func TestNullVariables(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	lock := `setLock(input: {name: "x", instanceId: "7d444840-9dc0-11d1-b245-5ffdce74fad2", %s: $v}) {status}`
	for _, test := range []struct{ query, field string }{
		{`mutation($v: Boolean) {` + fmt.Sprintf(lock, "acquire") + `}`, "input.acquire"},
		{`mutation($v: Boolean) {` + fmt.Sprintf(lock, "exclusive") + `}`, "input.exclusive"},
		{`mutation($v: Int) {` + fmt.Sprintf(lock, "ttlSeconds") + `}`, "input.ttlSeconds"},
		{`mutation($v: SetRecordInput = {id: "a", data: ""}) { setRecord(input: $v) {status} }`, "input"},
		{`mutation($v: RecordWrite = {delete: {id: "a", revision: 1}}) { writeRecords(input: {writes: [$v]}) {status} }`, "input.writes.0"},
	} {
		if got := c.do(t, test.query, vars{"v": nil}); got.refusal(t) != bad(test.field) {
			t.Errorf("%s: got %s, want BAD_USER_INPUT of %s", test.query, got.body, test.field)
		}
	}
}

func check(t *testing.T, how string, test inputCase, a answer, want refusal) {
	t.Helper()
	got := refusal{status: a.status}
	if len(a.Errors) > 0 {
		got = a.refusal(t)
	}
	if got != want {
		t.Errorf("%s %s %s: got %+v, want %+v: %s", test.operation, how, clip(test.value), got, want, clip(a.body))
	}
	if want.code == "" {
		return
	}
	for _, value := range a.Data {
		if value != nil {
			t.Errorf("%s %s %s: data %v", test.operation, how, clip(test.value), a.Data)
		}
	}
}

// asLiteral writes JSON as a GraphQL value.
func asLiteral(t *testing.T, text string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var b bytes.Buffer
	writeLiteral(&b, value)
	return b.String()
}

func writeLiteral(b *bytes.Buffer, value any) {
	switch value := value.(type) {
	case map[string]any:
		b.WriteByte('{')
		for name, v := range value {
			b.WriteString(name + ": ")
			writeLiteral(b, v)
			b.WriteByte(' ')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, v := range value {
			writeLiteral(b, v)
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case json.Number:
		b.WriteString(value.String())
	default:
		text, _ := json.Marshal(value)
		b.Write(text)
	}
}
