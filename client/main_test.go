package client_test

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) {
	code := testservers.Main(m)
	examples.end()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// examples is the test on whose behalf the examples' server runs: an Example
// has none of its own.
var examples exampleTest

type exampleTest struct {
	testing.TB
	start    sync.Once
	endpoint string
	cleanups []func()
}

// exampleEndpoint is that of a server that all examples share.
func exampleEndpoint() string {
	examples.start.Do(func() { examples.endpoint = testservers.StartSyncline(&examples).URL() })
	return examples.endpoint
}

func (*exampleTest) Helper() {}

func (e *exampleTest) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

func (e *exampleTest) TempDir() string {
	dir, err := os.MkdirTemp("", "syncline-example-")
	if err != nil {
		panic(err)
	}
	e.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (*exampleTest) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (*exampleTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (e *exampleTest) end() {
	for i := range e.cleanups {
		e.cleanups[len(e.cleanups)-1-i]()
	}
}
