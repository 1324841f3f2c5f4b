package linearizability

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// never is when an operation returns whose answer was lost.
	never = math.MaxInt64
	// checkTime bounds the search for an order. Running into it is a failure: it
	// would hide what the rest of the search finds.
	checkTime = time.Minute
	// leastOverlap is which share of the operations of a history must have run at
	// the same time as one of another client, so that order was in question.
	leastOverlap = 0.5
)

// Errors of operations that got no answer.
var (
	// errNotApplied: the operation did not happen, and leaves the history.
	errNotApplied = errors.New("not applied")
	// errLost: nobody can tell, and the operation stays open.
	errLost = errors.New("the answer was lost")
)

// history is what the clients of one owner did and saw.
type history struct {
	began time.Time

	mu         sync.Mutex
	operations []porcupine.Operation
	lanes      int
	fault      error // the first answer that no state explains
}

func newHistory() *history { return &history{began: time.Now()} }

// now is the time in nanoseconds since the history began, by a clock that never
// steps back.
func (h *history) now() int64 { return int64(time.Since(h.began)) }

// lane is a place in the picture: what is in one lane happens one by one.
func (h *history) lane() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lanes++
	return h.lanes - 1
}

func (h *history) add(op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, op)
}

// fail notes an error that no client should ever see.
func (h *history) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = cmp.Or(h.fault, err)
}

// overlap counts the clients' operations, those of them that ran at the same
// time as one of another client, and how many such pairs there are. What the
// model adds, such as the end of a hold, and what stayed open does not count.
func (h *history) overlap() (operations, together, pairs int) {
	ops := slices.DeleteFunc(slices.Clone(h.operations), func(op porcupine.Operation) bool {
		return op.Return == never || op.Metadata == added
	})
	for i, a := range ops {
		others := 0
		for j, b := range ops {
			if i != j && a.ClientId != b.ClientId && a.Call <= b.Return && b.Call <= a.Return {
				others++
			}
		}
		pairs += others
		together += min(1, others)
	}
	return len(ops), together, pairs / 2
}

// added marks operations that no client called.
const added = "added by the model"

// open counts the operations whose answer was lost.
func (h *history) open() int {
	n := 0
	for _, op := range h.operations {
		if op.Return == never && op.Metadata != added {
			n++
		}
	}
	return n
}

// verdict is what the checker says of a history.
type verdict struct {
	result porcupine.CheckResult
	info   porcupine.LinearizationInfo
}

func (h *history) check(model porcupine.Model) verdict {
	if h.fault != nil {
		return verdict{result: porcupine.Illegal}
	}
	result := porcupine.CheckOperationsTimeout(model, h.operations, checkTime)
	if result == porcupine.Ok {
		return verdict{result: result}
	}
	_, info := porcupine.CheckOperationsVerbose(model, h.operations, checkTime) // again, for the picture
	return verdict{result: result, info: info}
}

// mustBeLinearizable fails the test unless the history is explained, and then
// leaves it behind for study.
func (h *history) mustBeLinearizable(t *testing.T, model porcupine.Model) {
	t.Helper()
	v := h.check(model)
	if v.result == porcupine.Ok {
		return
	}
	text, picture := h.keep(t, model, v)
	switch {
	case h.fault != nil:
		t.Errorf("an answer that no state explains: %v\nhistory: %s", h.fault, text)
	case v.result == porcupine.Unknown:
		t.Errorf("the checker found no order within %v\nhistory: %s\npicture: %s", checkTime, text, picture)
	default:
		t.Errorf("no order of these operations explains what their clients saw\nhistory: %s\npicture: %s", text, picture)
	}
}

// isIllegal tells whether the checker finds fault with the history of a part that
// is broken.
func (h *history) isIllegal(t *testing.T, model porcupine.Model) bool {
	t.Helper()
	if h.fault != nil {
		t.Fatalf("the fault shows without a checker: %v", h.fault)
	}
	return h.check(model).result == porcupine.Illegal
}

// keep writes the history as text, in the order of the calls, and as a page that
// shows how far the checker came. Both outlive the test.
func (h *history) keep(t *testing.T, model porcupine.Model, v verdict) (text, picture string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "syncline-history-")
	if err != nil {
		t.Fatal(err)
	}
	text, picture = filepath.Join(dir, "history.txt"), filepath.Join(dir, "history.html")
	if err := os.WriteFile(text, []byte(h.describe(model)), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.fault != nil {
		return text, ""
	}
	if err := porcupine.VisualizePath(model, v.info, picture); err != nil {
		t.Fatal(err)
	}
	return text, picture
}

func (h *history) describe(model porcupine.Model) string {
	ops := slices.SortedFunc(slices.Values(h.operations), func(a, b porcupine.Operation) int {
		return cmp.Compare(a.Call, b.Call)
	})
	var b strings.Builder
	for _, op := range ops {
		end := "never"
		if op.Return != never {
			end = time.Duration(op.Return).String()
		}
		fmt.Fprintf(&b, "%-14v %-14s lane %-3d %s\n", time.Duration(op.Call), end, op.ClientId, model.DescribeOperation(op.Input, op.Output))
	}
	return b.String()
}
