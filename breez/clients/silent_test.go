package clients

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// peer is a client's end of an HTTP/2 connection, which does nothing of itself. Messages of at most
// window bytes reach it.
type peer struct {
	*testing.T
	*http2.Framer
	address string
	conn    net.Conn
	wrote   time.Time // when it began to write last
	streams uint32
}

const window = 1000

func dial(t *testing.T, address string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &peer{T: t, Framer: http2.NewFramer(conn, conn), address: address, conn: conn, wrote: time.Now()}
	_, err = io.WriteString(conn, http2.ClientPreface)
	if err := errors.Join(err, p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})); err != nil {
		t.Fatal(err)
	}
	return p
}

// request makes a call, whose answer is not read yet.
func (p *peer) request(name string, in proto.Message) (stream uint32) {
	p.Helper()
	message, err := proto.Marshal(in)
	if err != nil {
		p.Fatal(err)
	}
	stream = 2*p.streams + 1
	p.streams++
	var header bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":authority", p.address},
		{":path", "/sync.Syncer/" + name},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			p.Fatal(err)
		}
	}
	p.wrote = time.Now()
	if err := errors.Join(
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: header.Bytes(), EndHeaders: true}),
		p.WriteData(stream, true, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)),
	); err != nil {
		p.Fatal(err)
	}
	return stream
}

// awaitData reads until something of a stream's answer has come.
func (p *peer) awaitData(stream uint32) {
	p.Helper()
	for {
		frame, err := p.read()
		if err != nil {
			p.Fatal(err)
		}
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamID == stream && len(data.Data()) > 0 {
			return
		}
	}
}

// read reads a frame. The peer agrees to settings and answers nothing else.
func (p *peer) read() (http2.Frame, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	frame, err := p.ReadFrame()
	if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
		p.wrote = time.Now()
		err = errors.Join(err, p.WriteSettingsAck())
	}
	return frame, err
}

// A peer that is silent for 10 s is asked whether it is there. If it does not answer within 5 s, its
// connection is closed: its streams and what was held for its answers are free. One that answers
// stays.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	if os.Getenv("SYNCLINE_VERIFY") == "" {
		t.Skip("make verify runs it: it waits until a silent peer is asked whether it is there, and until it is given up")
	}
	metrics := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "METRICS_LISTEN_ADDRESS="+metrics)
	writer := device{t, newKey(t), connect(t, server.Address)}
	const records, size = 40, 65_536
	for i := range records {
		if reply, err := writer.set(&syncpb.Record{Id: fmt.Sprint(i), Data: make([]byte, size)}, "writer"); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
			t.Fatalf("%v, %v", reply, err)
		}
	}
	figures := func() (streams, held float64) {
		return figure(t, metrics, "syncline_breez_streams"), figure(t, metrics, "syncline_output_bytes")
	}

	lively := dial(t, server.Address)
	heard := lively.request("ListenChanges", writer.listenRequest())
	lively.awaitData(heard)
	ended := make(chan error, 1)
	go func() { ended <- lively.answerPings(heard) }()

	silent := dial(t, server.Address)
	silent.awaitData(silent.request("ListenChanges", writer.listenRequest()))
	silent.awaitData(silent.request("ListChanges", writer.listRequest(0))) // of which it takes no more than the window
	if streams, held := figures(); streams != 2 || held < records*size {
		t.Fatalf("%v streams are open, %v bytes are held for answers", streams, held)
	}
	pings := 0
	for {
		frame, err := silent.read()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("after a minute and %d pings it is not closed", pings)
			}
			break
		}
		if ping, ok := frame.(*http2.PingFrame); ok && !ping.IsAck() {
			if pings++; time.Since(silent.wrote) < 10*time.Second {
				t.Errorf("asked after %v of silence", time.Since(silent.wrote))
			}
		}
	}
	silence := time.Since(silent.wrote)
	if silence < 15*time.Second || pings != 1 {
		t.Errorf("closed after %v of silence and %d pings", silence, pings)
	}
	t.Logf("closed after %v", silence)
	testservers.Await(t, "the stream and the memory of the silent peer are free", func(context.Context) bool {
		streams, held := figures()
		return streams == 1 && held == 0
	})
	if reply, err := writer.set(&syncpb.Record{Id: "late"}, "writer"); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", reply, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the peer that answers: %v", err)
	}
}

// answerPings does so until there is something new of a stream.
func (p *peer) answerPings(stream uint32) error {
	for answered := 0; ; {
		frame, err := p.read()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if err := p.WritePing(true, frame.Data); err != nil {
				return err
			}
			answered++
		case *http2.DataFrame:
			if frame.StreamID != stream || len(frame.Data()) == 0 {
				continue
			}
			if answered == 0 {
				return errors.New("it was not asked whether it is there")
			}
			return nil
		}
	}
}

// figure is a gauge's value.
func figure(t *testing.T, metrics, name string) float64 {
	t.Helper()
	response, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + name + ` (.+)$`).FindSubmatch(text)
	if line == nil {
		t.Fatalf("there is no figure %s", name)
	}
	value, err := strconv.ParseFloat(string(line[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
