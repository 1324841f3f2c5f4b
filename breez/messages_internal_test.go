package breez

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"syncline/breez/syncpb"
	"syncline/record"
)

// The bytes of all messages are those that programs in use send and read.
func TestMessages(t *testing.T) {
	text, err := os.ReadFile("../testdata/vectors/breez-messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Messages []struct {
			Name    string
			Message protoreflect.FullName
			JSON    json.RawMessage
			Hex     string
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	seen := map[protoreflect.FullName]bool{}
	for _, g := range golden.Messages {
		name := fmt.Sprintf("%s, %s", g.Message, g.Name)
		seen["sync."+g.Message] = true
		kind, err := protoregistry.GlobalTypes.FindMessageByName("sync." + g.Message)
		if err != nil {
			t.Fatal(err)
		}
		message, read := kind.New().Interface(), kind.New().Interface()
		if err := protojson.Unmarshal(g.JSON, message); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil || hex.EncodeToString(encoded) != g.Hex {
			t.Errorf("%s: %x, %v; want %s", name, encoded, err, g.Hex)
		}
		data, err := hex.DecodeString(g.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(data, read); err != nil || !proto.Equal(read, message) {
			t.Errorf("%s: it reads as %v, %v", name, read, err)
		}
		if reply, ok := message.(*syncpb.ListChangesReply); ok { // which the service encodes by itself
			var own []byte
			for _, r := range reply.GetChanges() {
				own = appendChange(own, record.Record{ID: r.GetId(), Revision: record.Revision(r.GetRevision()), SchemaVersion: r.GetSchemaVersion(), Data: r.GetData()})
			}
			if hex.EncodeToString(own) != g.Hex {
				t.Errorf("%s: the service sends %x, want %s", name, own, g.Hex)
			}
		}
	}
	all := syncpb.File_sync_proto.Messages()
	for i := range all.Len() {
		if name := all.Get(i).FullName(); !seen[name] {
			t.Errorf("there is none of %s", name)
		}
	}
}
