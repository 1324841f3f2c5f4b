package grpctransport

// What synckit.proto makes. protoc is Debian's package protobuf-compiler.
//go:generate bash -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --plugin=protoc-gen-connect-go=$(go tool -n protoc-gen-connect-go) --go_out=../../.. --go_opt=module=syncline --connect-go_out=../../.. --connect-go_opt=module=syncline synckit.proto"
