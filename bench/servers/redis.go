package servers

import (
	"context"
	"errors"
	"net"
	"os/exec"
)

// ErrNoRedis says that no Redis server is installed.
var ErrNoRedis = errors.New("no Redis server found: install the package redis-server")

// startRedis starts a server that keeps nothing on disk.
func startRedis(ctx context.Context, dir string) (p *process, url string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", ErrNoRedis
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address) // made by freeAddress
	cmd := command(ctx, program, "--bind", "127.0.0.1", "--port", port,
		"--dir", dir, "--save", "", "--appendonly", "no", "--maxclients", "20000")
	if p, err = launch("Redis", cmd, slowness{}); err != nil {
		return nil, "", err
	}
	return p, "redis://" + address, p.await(ctx, func(ctx context.Context) bool {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}
