package checks

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/redis/go-redis/v9"

	"syncline/internal/config"
	"syncline/internal/testservers"
)

// loadCompose reads compose.yaml as docker compose does: schema, anchors, variables.
func loadCompose(t *testing.T, variables ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(variables))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func TestCompose(t *testing.T) {
	t.Parallel()
	project, err := loadCompose(t, "POSTGRES_PASSWORD=secret", "REDIS_PASSWORD=hidden")
	if err != nil {
		t.Fatal(err)
	}
	nginx := read(t, "../nginx.conf")
	for _, name := range []string{"syncline-1", "syncline-2"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg := loadConfig(t, lines(service.Environment))
		if grace := time.Duration(*service.StopGracePeriod); grace < cfg.ShutdownTimeout+5*time.Second {
			t.Errorf("%s is killed after %s, its drain may take %s", name, grace, cfg.ShutdownTimeout)
		}
		if cfg.DatabaseURL != "postgres://syncline:secret@postgres:5432/syncline?sslmode=disable" || cfg.RedisURL != "redis://:hidden@redis:6379" {
			t.Errorf("%s: database %s, Redis %s", name, cfg.DatabaseURL, cfg.RedisURL)
		}
		if service.Networks["default"].Ipv4Address == "" {
			t.Errorf("%s has no fixed address: nginx would lose it when it is replaced", name)
		}
		if want := "server " + name + cfg.ListenAddress + " "; !strings.Contains(nginx, want) {
			t.Errorf("nginx.conf: no %q", want)
		}
	}
	requireMounts(t, project)
}

// requireMounts makes sure that what is mounted from here is here.
func requireMounts(t *testing.T, project *types.Project) {
	t.Helper()
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if service.Build == nil && (!strings.Contains(service.Image, ":") || strings.HasSuffix(service.Image, ":latest")) {
			t.Errorf("%s: %s names no version", name, service.Image)
		}
	}
}

// Without passwords it does not start with empty ones.
func TestComposeNeedsPasswords(t *testing.T) {
	t.Parallel()
	for missing, given := range map[string]string{"POSTGRES_PASSWORD": "REDIS_PASSWORD=hidden", "REDIS_PASSWORD": "POSTGRES_PASSWORD=secret"} {
		if _, err := loadCompose(t, given); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

// Redis, started as compose starts it, wants its password, and refuses what it
// has no memory for rather than forget a nonce.
func TestComposeRedis(t *testing.T) {
	t.Parallel()
	project, err := loadCompose(t, "POSTGRES_PASSWORD=secret", "REDIS_PASSWORD=hidden")
	if err != nil {
		t.Fatal(err)
	}
	service, err := project.GetService("redis")
	if err != nil {
		t.Fatal(err)
	}
	server := testservers.StartRedisProtected(t, "hidden", service.Command[1:]...)
	stranger := redis.NewClient(&redis.Options{Addr: server.Address})
	defer stranger.Close()
	if err := stranger.Get(t.Context(), "a").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Address, Password: "hidden"})
	defer client.Close()
	settings, err := client.ConfigGet(t.Context(), "maxmemory*").Result()
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.ParseInt(settings["maxmemory"], 10, 64)
	if err != nil || most == 0 || most >= int64(service.MemLimit) || settings["maxmemory-policy"] != "noeviction" {
		t.Errorf("memory: %v (%v) in a container of %d bytes", settings, err, service.MemLimit)
	}
	// docs/operations.md: clients fill no Redis that has room for what instances let in.
	needed := 0
	for _, name := range []string{"syncline-1", "syncline-2"} {
		instance, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		needed += max(loadConfig(t, lines(instance.Environment)).NonceMemory, 1) * 420
	}
	if needed < 1000 || most < int64(needed) {
		t.Errorf("Redis may have %d bytes, nonces %d", most, needed)
	}
}

// loadConfig makes sure that the server would start with these variables, and
// knows each of them.
func loadConfig(t *testing.T, environ []string) config.Config {
	t.Helper()
	known := config.Variables()
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		if !slices.Contains(known, name) {
			t.Errorf("the server knows no variable %s", name)
		}
	}
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func lines(environment types.MappingWithEquals) (environ []string) {
	for name, value := range environment {
		environ = append(environ, name+"="+*value)
	}
	return environ
}
