package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
)

// browser is Chromium with a page that makes calls.
type browser struct {
	mu      sync.Mutex
	input   io.WriteCloser
	calls   int
	answers map[int]chan answer
}

type answer struct {
	ID      int
	Message []byte
	Code    codes.Code
	Failure string `json:"-"`
}

// startBrowser starts one, which ends with the test: node closes it when its input ends.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	cmd := exec.Command("node", "device.js") // the test's context ends before it is closed
	cmd.Dir, cmd.Stderr = "../../web/breez", os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{input: input, answers: map[int]chan answer{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(output)
	}()
	t.Cleanup(func() {
		input.Close()
		stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		defer stuck.Stop()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser's end: %v", err)
		}
	})
	return b
}

// read hands out what comes, until the browser ends.
func (b *browser) read(output io.Reader) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var got struct {
			ID      int
			Code    *codes.Code
			Message json.RawMessage
		}
		a := answer{}
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			a.Code, a.Failure = codes.Internal, err.Error()
		}
		if a.ID = got.ID; got.Code != nil {
			a.Code = *got.Code
			_ = json.Unmarshal(got.Message, &a.Failure) // a text
		} else if err := json.Unmarshal(got.Message, &a.Message); err != nil {
			a.Code, a.Failure = codes.Internal, err.Error()
		}
		b.mu.Lock()
		waits := b.answers[a.ID]
		b.mu.Unlock()
		if waits != nil {
			waits <- a
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, waits := range b.answers {
		close(waits)
	}
	b.answers = nil
}

// ask has the page make a call. Its answers come on the channel, as many as there are.
func (b *browser) ask(form, origin, name string, in proto.Message, stream bool) (<-chan answer, error) {
	message, err := proto.Marshal(in)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answers == nil {
		return nil, errors.New("the browser has ended")
	}
	b.calls++
	line, err := json.Marshal(map[string]any{"id": b.calls, "form": form, "origin": origin, "path": "/sync.Syncer/" + name, "message": message, "stream": stream})
	if err != nil {
		return nil, err
	}
	waits := make(chan answer, 100)
	b.answers[b.calls] = waits
	_, err = b.input.Write(append(line, '\n'))
	return waits, err
}

// webClient is gRPC-Web's own client in a page, in one of its forms. Streams have the
// text form, for its binary form has none.
type webClient struct {
	*browser
	form, origin string
}

func (c webClient) call(ctx context.Context, name string, in, out proto.Message) error {
	answers, err := c.ask(c.form, c.origin, name, in, false)
	if err != nil {
		return err
	}
	return take(ctx, answers, out)
}

func (c webClient) listen(ctx context.Context, in *syncpb.ListenChangesRequest) (func() (*syncpb.Notification, error), error) {
	answers, err := c.ask("text", c.origin, "ListenChanges", in, true)
	return func() (*syncpb.Notification, error) {
		n := new(syncpb.Notification)
		return n, take(ctx, answers, n)
	}, err
}

func take(ctx context.Context, answers <-chan answer, into proto.Message) error {
	select {
	case a, ok := <-answers:
		switch {
		case !ok:
			return errors.New("the browser has ended")
		case a.Code != codes.OK:
			return status.Error(a.Code, a.Failure)
		}
		return proto.Unmarshal(a.Message, into)
	case <-ctx.Done():
		return ctx.Err()
	}
}
