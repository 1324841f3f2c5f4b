package redisclient_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"syncline/internal/redisclient"
	"syncline/internal/testservers"
)

// certificate is trusted by this process, as an operator would have it.
var certificate testservers.Certificate

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "syncline-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if certificate, err = testservers.NewCertificate(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("SSL_CERT_FILE", certificate.File) // read once, before the first use
	return m.Run()
}

func ping(t *testing.T, url string) error {
	t.Helper()
	client, err := redisclient.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return client.Ping(t.Context()).Err()
}

func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	const password = "s3cret/with:marks@"
	const escaped = "s3cret%2Fwith%3Amarks%40"
	address := testservers.StartRedisTLS(t, certificate, password).Address
	if err := ping(t, "rediss://:"+escaped+"@"+address); err != nil {
		t.Errorf("TLS with the password: %v", err)
	}
	for name, url := range map[string]string{
		"the wrong password":                     "rediss://:wrong@" + address,
		"no password":                            "rediss://" + address,
		"no TLS":                                 "redis://:" + escaped + "@" + address,
		"a name that the certificate is not for": "rediss://:" + escaped + "@" + strings.Replace(address, "127.0.0.1", "localhost", 1),
	} {
		if err := ping(t, url); err == nil {
			t.Errorf("%s: it connects", name)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}

func TestCallsHeedTheirContext(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	client, err := redisclient.Open(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a server that is stopped answers")
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("a call of 100 ms took %v", took)
	}
}

func TestBadURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:6379", "http://localhost", "redis-ring://localhost", "redis://:s3cret@local host",
		"redis://:s3cret%zz@localhost", "redis://localhost/notanumber", "redis://localhost?unknown=1",
		"redis-sentinel://localhost:26379", "redis://:s3cret/@localhost:6379",
		"redis://:12/s3cret@localhost:6379", "redis://:12?s3cret@localhost", "redis://:12#s3cret@localhost:6379",
	} {
		if client, err := redisclient.Open(url); err == nil {
			client.Close()
			t.Errorf("%q is accepted", url)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
