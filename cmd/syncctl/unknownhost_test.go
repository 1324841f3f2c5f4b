package main

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// A host that does not exist is told at once, however long there is to wait.
func TestUnknownHost(t *testing.T) {
	d := newFakeDevice(t)
	http.DefaultTransport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "fake.example", IsNotFound: true}
	}}
	d.run("--timeout", "10m", "whoami").wants(exitUnreachable, "", "there is no host fake.example")
	d.run("listen").wants(exitUnreachable, "", "there is no host fake.example")
}
