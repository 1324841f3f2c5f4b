package linearizability

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// What may follow a write whose answer was lost.
func TestLostWrite(t *testing.T) {
	t.Parallel()
	in := writeInput{kind: "set", clientID: "x", writes: []write{{id: "a", data: "lost"}}}
	lost := porcupine.Operation{Input: in, Call: 0, Output: writeOutput{lost: true}, Return: never}
	there := version{ID: "a", Data: "lost", Revision: 1, ClientID: "x"}
	read := func(call int64, seen version) porcupine.Operation {
		return porcupine.Operation{
			ClientId: 1, Input: recordsInput{ids: []string{"a"}}, Call: call,
			Output: recordsOutput{records: []version{seen}}, Return: call + 1,
		}
	}
	for name, c := range map[string]struct {
		reads []porcupine.Operation
		want  porcupine.CheckResult
	}{
		"never applied":             {[]porcupine.Operation{read(10, version{}), read(20, version{})}, porcupine.Ok},
		"applied":                   {[]porcupine.Operation{read(10, there), read(20, there)}, porcupine.Ok},
		"applied late":              {[]porcupine.Operation{read(10, version{}), read(20, there)}, porcupine.Ok},
		"applied and taken back":    {[]porcupine.Operation{read(10, there), read(20, version{})}, porcupine.Illegal},
		"applied at another's time": {[]porcupine.Operation{read(-20, there)}, porcupine.Illegal},
		"applied twice":             {[]porcupine.Operation{read(10, version{ID: "a", Data: "lost", Revision: 2, ClientID: "x"})}, porcupine.Illegal},
	} {
		h := history{operations: append(c.reads, lost)}
		if got := h.check(recordModel()).result; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// When a hold may be seen that was asked for at 1 s and answered at 2 s, for 10 s.
func TestExpiry(t *testing.T) {
	t.Parallel()
	granted := holder{instance: "x", token: 1, expiresAt: 5}
	view := lockView{exclusive: true, holders: []holder{granted}}
	grant := at(1000, 2000, 0, acquireInput{instance: "x", exclusive: true, ttl: 10 * time.Second},
		acquireOutput{status: acquired, holder: granted, lock: view})
	look := func(call, answer int64, seen lockView) porcupine.Operation {
		return at(call, answer, 1, lockInput{}, seen)
	}
	other := holder{instance: "y", token: 2, expiresAt: 6}
	taken := func(call, answer int64) porcupine.Operation {
		return at(call, answer, 1, acquireInput{instance: "y", exclusive: true, ttl: 10 * time.Second},
			acquireOutput{status: acquired, holder: other, lock: lockView{exclusive: true, holders: []holder{other}}})
	}
	for name, c := range map[string]struct {
		then []porcupine.Operation
		want porcupine.CheckResult
	}{
		"gone before its time can be over":    {[]porcupine.Operation{look(10_900, 10_990, lockView{})}, porcupine.Illegal},
		"there before its time can be over":   {[]porcupine.Operation{look(10_900, 10_990, view)}, porcupine.Ok},
		"gone when it may be over":            {[]porcupine.Operation{look(11_100, 11_200, lockView{})}, porcupine.Ok},
		"there when it may not be over":       {[]porcupine.Operation{look(11_800, 11_900, view)}, porcupine.Ok},
		"there after its time must be over":   {[]porcupine.Operation{look(12_010, 12_100, view)}, porcupine.Illegal},
		"gone after its time must be over":    {[]porcupine.Operation{look(12_010, 12_100, lockView{})}, porcupine.Ok},
		"taken before its time can be over":   {[]porcupine.Operation{taken(10_900, 10_990)}, porcupine.Illegal},
		"taken when it may be over":           {[]porcupine.Operation{taken(11_100, 11_200)}, porcupine.Ok},
		"there after another took it":         {[]porcupine.Operation{taken(11_100, 11_200), look(11_300, 11_400, view)}, porcupine.Illegal},
		"gone for an operation that is slow":  {[]porcupine.Operation{look(5_000, 11_100, lockView{})}, porcupine.Ok},
		"there for an operation that is slow": {[]porcupine.Operation{look(11_900, 15_000, view)}, porcupine.Ok},
	} {
		h := history{operations: append(c.then, grant)}
		if got := h.check(lockModel(false)).result; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// at makes an operation from times in milliseconds.
func at(call, answer int64, client int, in, out any) porcupine.Operation {
	call, answer = call*int64(time.Millisecond), answer*int64(time.Millisecond)
	return porcupine.Operation{ClientId: client, Input: timed{call, answer, in}, Call: call, Output: out, Return: answer}
}
