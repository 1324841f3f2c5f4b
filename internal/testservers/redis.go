package testservers

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a server that keeps nothing on disk: started again it is empty.
type Redis struct {
	Address string // host:port

	t       testing.TB
	args    []string
	options redis.Options // of a client that looks whether it is ready
	process *process
}

// StartRedis starts a server with these settings added to its command line, and
// waits until it answers.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	address := FreeAddress(t)
	return startRedis(t, redis.Options{Addr: address}, append([]string{"--port", port(address)}, settings...)...)
}

// StartRedisProtected starts a server whose settings ask for a password.
func StartRedisProtected(t testing.TB, password string, settings ...string) *Redis {
	t.Helper()
	address := FreeAddress(t)
	return startRedis(t, redis.Options{Addr: address, Password: password}, append([]string{"--port", port(address)}, settings...)...)
}

// StartRedisTLS starts a server that speaks TLS only, and asks for a password.
func StartRedisTLS(t testing.TB, certificate Certificate, password string) *Redis {
	t.Helper()
	options := redis.Options{
		Addr:      FreeAddress(t),
		Password:  password,
		TLSConfig: &tls.Config{InsecureSkipVerify: true}, // only to see whether it is ready
	}
	return startRedis(t, options, "--port", "0", "--tls-port", port(options.Addr), "--requirepass", password,
		"--tls-cert-file", certificate.File, "--tls-key-file", certificate.KeyFile,
		"--tls-ca-cert-file", certificate.File, "--tls-auth-clients", "no")
}

func startRedis(t testing.TB, options redis.Options, settings ...string) *Redis {
	t.Helper()
	options.MaxRetries = -1
	args := []string{"--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no"}
	r := &Redis{Address: options.Addr, t: t, args: append(args, settings...), options: options}
	t.Cleanup(r.Kill)
	r.Start()
	return r
}

// RedisURL is the URL of an empty place in a Redis server, and the prefix that
// all keys and channels of the test must have. It is the server that
// SYNCLINE_TEST_REDIS_URL names, or a new one.
func RedisURL(t testing.TB) (url, prefix string) {
	t.Helper()
	if given := os.Getenv("SYNCLINE_TEST_REDIS_URL"); given != "" {
		return given, "syncline-test-" + rand.Text()
	}
	return StartRedis(t).URL(), "syncline-test"
}

// URL is where clients find a server without TLS and password.
func (r *Redis) URL() string { return "redis://" + r.Address }

// Start starts the server again after Kill, with nothing in it.
func (r *Redis) Start() {
	r.t.Helper()
	r.process = launch(r.t, exec.Command(redisBinary(r.t), r.args...))
	r.process.await(r.t, "Redis", func(ctx context.Context) bool { return r.do(ctx, "PING") == nil })
}

// Kill ends the server at once, as a power cut would, and waits for its end.
func (r *Redis) Kill() { r.process.kill() }

// Pause stops the server from doing anything, with its connections open.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.process.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// do runs a command on a connection of its own.
func (r *Redis) do(ctx context.Context, command ...any) error {
	client := redis.NewClient(&r.options)
	defer client.Close()
	return client.Do(ctx, command...).Err()
}

// mustDo is do for what cannot fail.
func (r *Redis) mustDo(command ...any) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.do(ctx, command...); err != nil {
		r.t.Fatalf("%v: %v", command, err)
	}
}

func redisBinary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("no Redis server found: install the package redis-server, or name a running one in SYNCLINE_TEST_REDIS_URL where the test allows it")
	}
	return path
}
