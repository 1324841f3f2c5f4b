package breez_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// The text form of gRPC-Web, as browsers without streams send it.
func TestText(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	var streams []textAnswer
	for _, version := range []protocol{{name: "HTTP/1.1"}, {name: "HTTP/2", http2: true}} {
		u := newUser(t)
		c := textClient{t, version, &http.Client{Transport: version.transport(t)}, server.Address}
		d := device{t, u, protocols[0].client(t, server.Address), "writer"}
		heard := c.post("ListenChanges", enveloped(0, mustMarshal(t, listenRequest(u, d.now()))))
		heard.mustTell("") // that the subscription stands
		d.set("a", bytes.Repeat([]byte("0123456789"), 5000), 0)
		heard.mustTell("writer")

		listed := c.post("ListChanges", enveloped(0, mustMarshal(t, listRequest(u, 0, d.now()))))
		var reply syncpb.ListChangesReply
		if listed.mustMessage(&reply); len(reply.GetChanges()) != 1 || len(reply.GetChanges()[0].GetData()) != 50_000 {
			t.Fatalf("%s: %v", version.name, &reply)
		}
		listed.mustEnd("0")

		c.post("GetLock", enveloped(0, mustMarshal(t, getLockRequest(u, "", d.now())))).mustEnd("3")
		for beyond, status := range []string{"3", "8"} { // its data is too large; the message is
			in := mustMarshal(t, setRequestOf(t, u, 262_144+beyond, d.now()))
			c.post("SetRecord", enveloped(0, in)).mustEnd(status)
			c.post("SetRecord", enveloped(1, gzipped(t, in))).mustEnd(status)
		}
		streams = append(streams, heard)
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		s.mustEnd("14")
	}
}

// textClient makes calls in the text form, by one version of HTTP.
type textClient struct {
	*testing.T
	version protocol
	client  *http.Client
	address string
}

// textAnswer is what comes back.
type textAnswer struct {
	textClient
	call   string
	header http.Header
	body   io.Reader // decoded
}

func (c textClient) post(call string, frame []byte) textAnswer {
	c.Helper()
	text := base64.StdEncoding.EncodeToString(frame[:4]) + base64.StdEncoding.EncodeToString(frame[4:]) // pieces may be padded
	request, err := http.NewRequestWithContext(c.Context(), http.MethodPost, "http://"+c.address+"/sync.Syncer/"+call, strings.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc-web-text")
	if frame[0] == 1 {
		request.Header.Set("Grpc-Encoding", "gzip")
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { response.Body.Close() })
	if http2 := response.ProtoMajor == 2; http2 != c.version.http2 {
		c.Fatalf("answered by %s, want %s", response.Proto, c.version.name)
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/grpc-web-text") {
		c.Errorf("%s: %d %q", c.version.name, response.StatusCode, kind)
	}
	return textAnswer{c, call, response.Header, &quads{from: bufio.NewReader(response.Body)}}
}

// next is the next frame of an answer.
func (a textAnswer) next() (flags byte, data []byte) {
	a.Helper()
	var prefix [5]byte
	if _, err := io.ReadFull(a.body, prefix[:]); err != nil {
		a.Fatalf("%s over %s: %v", a.call, a.version.name, err)
	}
	data = make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	if _, err := io.ReadFull(a.body, data); err != nil {
		a.Fatalf("%s over %s: %v", a.call, a.version.name, err)
	}
	return prefix[0], data
}

// mustMessage reads a message.
func (a textAnswer) mustMessage(m proto.Message) {
	a.Helper()
	flags, data := a.next()
	if err := proto.Unmarshal(data, m); flags != 0 || err != nil {
		a.Fatalf("%s over %s: flags %d, %q, %v", a.call, a.version.name, flags, data, err)
	}
}

// mustTell reads a notification.
func (a textAnswer) mustTell(clientID string) {
	a.Helper()
	var n syncpb.Notification
	if a.mustMessage(&n); n.GetClientId() != clientID {
		a.Errorf("over %s: a notification of %q, want %q", a.version.name, n.GetClientId(), clientID)
	}
}

// mustEnd reads the status of a call, which is in its headers if there was nothing else to say.
func (a textAnswer) mustEnd(status string) {
	a.Helper()
	if got := a.header.Get("Grpc-Status"); got != "" {
		if got != status {
			a.Errorf("%s over %s: status %s, want %s", a.call, a.version.name, got, status)
		}
		return
	}
	if flags, trailers := a.next(); flags != 0x80 || !strings.Contains(string(trailers), "grpc-status: "+status+"\r\n") {
		a.Errorf("%s over %s: flags %d, %q, want status %s", a.call, a.version.name, flags, trailers, status)
	}
	if _, err := a.body.Read(make([]byte, 1)); err != io.EOF {
		a.Errorf("%s over %s: after its end: %v", a.call, a.version.name, err)
	}
}

// quads decodes base64 that is padded wherever it was flushed: each four characters stand for
// themselves.
type quads struct {
	from io.Reader
	left []byte
}

func (q *quads) Read(p []byte) (int, error) {
	if len(q.left) == 0 {
		var text [4]byte
		if _, err := io.ReadFull(q.from, text[:]); err != nil {
			return 0, err
		}
		decoded, err := base64.StdEncoding.DecodeString(string(text[:]))
		if err != nil {
			return 0, err
		}
		q.left = decoded
	}
	n := copy(p, q.left)
	q.left = q.left[n:]
	return n, nil
}
