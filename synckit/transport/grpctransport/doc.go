// Package grpctransport syncs over gRPC: NewTransport is the client's side, NewServer serves
// a store. What is new comes by a stream.
//
// The service is synckit.v1.SyncService, in synckit.proto beside this package, for clients
// in other languages. The server also takes gRPC-Web and the Connect protocol.
//
//	server := grpctransport.NewServer(store, nil)
//	mux.Handle(server.Handler(connect.WithInterceptors(checkToken)))
//
// gRPC needs HTTP/2: over TLS net/http has it by itself, without TLS
// http.Server.Protocols must allow unencrypted HTTP/2.
//
// Who may call is for an interceptor, or a handler around it, to check.
package grpctransport
