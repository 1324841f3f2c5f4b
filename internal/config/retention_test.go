package config_test

import (
	"strings"
	"testing"
	"time"

	"syncline/internal/config"
)

func TestRetention(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil || time.Duration(c.TombstoneRetention) != 90*24*time.Hour || time.Duration(c.MutationRetention) != 30*24*time.Hour {
		t.Errorf("defaults: %v and %v, %v", c.TombstoneRetention, c.MutationRetention, err)
	}
	for value, want := range map[string]time.Duration{
		"0": 0, "1d": 24 * time.Hour, "24h": 24 * time.Hour, "36h30m": 36*time.Hour + 30*time.Minute, "24855d": 24855 * 24 * time.Hour,
	} {
		c, err := config.Load([]string{"TOMBSTONE_RETENTION=" + value})
		if err != nil || time.Duration(c.TombstoneRetention) != want {
			t.Errorf("tombstones, %s: %v, %v; want %v", value, time.Duration(c.TombstoneRetention), err, want)
		}
		c, err = config.Load([]string{"MUTATION_RETENTION=" + value})
		if err != nil || time.Duration(c.MutationRetention) != want {
			t.Errorf("mutation ids, %s: %v, %v; want %v", value, time.Duration(c.MutationRetention), err, want)
		}
	}
	for _, value := range []string{"0d", "-1d", "1", "d", "23h59m59s", "-24h", "1.5d", "24856d", "596521h", "90 d", "for ever", "2000000h"} {
		for _, name := range []string{"TOMBSTONE_RETENTION", "MUTATION_RETENTION"} {
			_, err := config.Load([]string{name + "=" + value})
			if err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), "0 keeps for ever") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}
