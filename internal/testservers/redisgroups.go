package testservers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is a Redis Cluster of primaries without replicas.
type RedisCluster struct {
	Nodes []*Redis
}

const (
	clusterNodes = 3
	clusterSlots = 16384
)

// StartRedisCluster starts a cluster of three nodes that share the slots.
func StartRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	for i := range clusterNodes {
		node, bus := startClusterNode(t)
		c.Nodes = append(c.Nodes, node)
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		node.mustDo("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		node.mustDo("CLUSTER", "ADDSLOTSRANGE", first, last)
		c.Nodes[0].mustDo("CLUSTER", "MEET", "127.0.0.1", port(node.Address), bus)
	}
	for _, node := range c.Nodes {
		node.process.await(t, "the cluster", node.knowsCluster)
	}
	return c
}

func startClusterNode(t testing.TB) (node *Redis, bus string) {
	t.Helper()
	bus = port(FreeAddress(t))
	return StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000",
		"--repl-diskless-sync-delay", "0"), bus
}

// AddReplica starts a node that takes a primary's place when that fails. It is
// in step when AddReplica returns.
func (c *RedisCluster) AddReplica(t testing.TB, primary int) *Redis {
	t.Helper()
	id, err := redis.NewClient(&c.Nodes[primary].options).ClusterMyID(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	replica, bus := startClusterNode(t)
	c.Nodes[primary].mustDo("CLUSTER", "MEET", "127.0.0.1", port(replica.Address), bus)
	replica.process.await(t, "the replica", func(ctx context.Context) bool {
		return replica.knowsCluster(ctx) && replica.do(ctx, "CLUSTER", "REPLICATE", id) == nil
	})
	replica.process.await(t, "the replica", func(ctx context.Context) bool {
		return replica.tells(ctx, "replication", "master_link_status:up")
	})
	return replica
}

// AwaitPrimary waits until a replica has become the primary.
func (r *Redis) AwaitPrimary(t testing.TB) {
	t.Helper()
	r.process.await(t, "the new primary", func(ctx context.Context) bool {
		return r.tells(ctx, "replication", "role:master")
	})
}

// URL is where clients find the cluster.
func (c *RedisCluster) URL() string {
	return fmt.Sprintf("redis-cluster://%s?addr=%s&addr=%s", c.Nodes[0].Address, c.Nodes[1].Address, c.Nodes[2].Address)
}

func (r *Redis) knowsCluster(ctx context.Context) bool {
	client := redis.NewClient(&r.options)
	defer client.Close()
	info, err := client.ClusterInfo(ctx).Result()
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, fmt.Sprintf("cluster_size:%d", clusterNodes))
}

// RedisSentinel is a primary, its replica, and a sentinel that makes the
// replica the primary when the first one fails.
type RedisSentinel struct {
	Primary, Replica, Sentinel *Redis
}

const sentinelMaster = "syncline"

// StartRedisSentinel starts the three. The replica is in step when it returns.
func StartRedisSentinel(t testing.TB) *RedisSentinel {
	t.Helper()
	s := &RedisSentinel{Primary: StartRedis(t, "--repl-diskless-sync-delay", "0")}
	s.Replica = StartRedis(t, "--replicaof", "127.0.0.1 "+port(s.Primary.Address))
	s.Replica.process.await(t, "the replica", func(ctx context.Context) bool {
		return s.Replica.tells(ctx, "replication", "master_link_status:up")
	})
	s.Sentinel = startSentinel(t, s.Primary)
	s.Sentinel.process.await(t, "the sentinel", func(ctx context.Context) bool {
		return s.Sentinel.tells(ctx, "sentinel", "status=ok", "slaves=1")
	})
	return s
}

func startSentinel(t testing.TB, primary *Redis) *Redis {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := []string{
		"sentinel monitor " + sentinelMaster + " 127.0.0.1 " + port(primary.Address) + " 1",
		"sentinel down-after-milliseconds " + sentinelMaster + " 1000",
		"sentinel failover-timeout " + sentinelMaster + " 5000",
	}
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := FreeAddress(t)
	r := &Redis{
		Address: address,
		t:       t,
		args:    []string{config, "--sentinel", "--bind", "127.0.0.1", "--port", port(address)},
		options: redis.Options{Addr: address, MaxRetries: -1},
	}
	t.Cleanup(r.Kill)
	r.Start()
	return r
}

// URL is where clients find the primary of the moment.
func (s *RedisSentinel) URL() string {
	return "redis-sentinel://" + s.Sentinel.Address + "?master_name=" + sentinelMaster
}

// tells whether a section of what the server says of itself has these words.
func (r *Redis) tells(ctx context.Context, section string, words ...string) bool {
	client := redis.NewClient(&r.options)
	defer client.Close()
	info, err := client.Info(ctx, section).Result()
	for _, word := range words {
		if !strings.Contains(info, word) {
			return false
		}
	}
	return err == nil
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // made by FreeAddress
	return port
}
