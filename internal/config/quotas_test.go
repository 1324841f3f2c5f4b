package config_test

import (
	"strings"
	"testing"

	"syncline/internal/config"
)

// What bounds owners and keeps room on the disk, at its edges.
func TestQuotasAndRoom(t *testing.T) {
	for name, read := range map[string]func(*config.Config) int64{
		"QUOTA_RECORDS": func(c *config.Config) int64 { return int64(c.QuotaRecords) },
		"QUOTA_BYTES":   func(c *config.Config) int64 { return int64(c.QuotaBytes) },
		"MIN_FREE_DISK": func(c *config.Config) int64 { return int64(c.MinFreeDisk) },
	} {
		good, bad := map[string]int64{"0": 0, "1": 1}, []string{"-1", "1.5", "many", "9223372036854775808"}
		if name == "QUOTA_RECORDS" {
			good[""], good["1000000000"] = 100_000, 1_000_000_000
			bad = append(bad, "1000000001", "1MiB")
		} else {
			good[""], good["512MiB"], good["9007199254740992"], good["8192TiB"] = 256<<20, 512<<20, 1<<53, 1<<53
			bad = append(bad, "9007199254740993", "8193TiB", "256MB", "MiB")
		}
		for value, want := range good {
			environ := []string{name + "=" + value}
			if value == "" {
				environ = nil
			}
			if c, err := config.Load(environ); err != nil || read(&c) != want {
				t.Errorf("%s=%s: %v; want %d", name, value, err, want)
			}
		}
		for _, value := range bad {
			if _, err := config.Load([]string{name + "=" + value}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

func TestWhoMayBecomeAnOwner(t *testing.T) {
	for environ, want := range map[string]config.NewOwners{
		"": config.OwnersOpen, "NEW_OWNERS=open": config.OwnersOpen, "NEW_OWNERS=closed": config.OwnersClosed,
	} {
		if c, err := config.Load(strings.Fields(environ)); err != nil || c.NewOwners != want {
			t.Errorf("%q: %v, %v", environ, c.NewOwners, err)
		}
	}
	for _, value := range []string{"", "nobody", "Closed", "open closed", "certificate"} { // the last without CA_CERT
		if _, err := config.Load([]string{"NEW_OWNERS=" + value}); err == nil || !strings.Contains(err.Error(), "NEW_OWNERS") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
