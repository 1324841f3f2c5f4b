package main

import (
	"context"
	"log/slog"

	"syncline/auth"
	"syncline/breez"
	"syncline/graph/model"
	"syncline/internal/budget"
	"syncline/internal/config"
	"syncline/internal/diskspace"
	"syncline/internal/health"
	"syncline/internal/metrics"
	"syncline/internal/ratelimit"
	"syncline/locks"
	"syncline/record"
)

// newGate is nil, which lets everything pass, if there are to be no limits.
func newGate(cfg config.Config, records *record.Service, shared coordination, figures *metrics.Metrics, log *slog.Logger) *ratelimit.Gate {
	if !cfg.RateLimits {
		return nil
	}
	return ratelimit.New(ratelimit.Limits{
		Cost:          cfg.RateCost,
		BytesIn:       int(cfg.RateBytesIn),
		BytesOut:      int(cfg.RateBytesOut),
		Connects:      cfg.RateConnects,
		Connections:   cfg.RateConnections,
		Subscriptions: cfg.RateSubscriptions,
		AddressFactor: cfg.RateAddressFactor,
		NewOwners:     cfg.RateNewOwners,
	}, ratelimit.Options{
		Known: func(ctx context.Context, owner auth.Principal) (bool, error) {
			account, err := records.Account(ctx, record.Owner(owner.Key))
			return account.Head > 0, err
		},
		Refused:  figures.Counter("syncline_rate_limited_total", "Requests, connections and operations over a limit, by whose it is (address or owner) and which.", "of", "limit"),
		Exchange: shared.rates,
		Refuse:   refuse,
		Stays:    breez.Stays,
		Log:      log,
	})
}

// limitOwners has records and locks refused to those who may not become owners.
func limitOwners(cfg config.Config, records *record.Service, locks *locks.Service) {
	if cfg.NewOwners == config.OwnersOpen {
		return
	}
	records.AdmitOwners(func(ctx context.Context) bool {
		principal, _ := auth.FromContext(ctx)
		return cfg.NewOwners == config.OwnersCertificate && principal.Certified()
	})
	locks.AdmitOwners(records.Admit)
}

// rates is what clients are told of the limits that newGate keeps.
func rates(cfg config.Config) *model.Rates {
	if !cfg.RateLimits {
		return nil
	}
	return &model.Rates{
		Cost:          unlessZero(cfg.RateCost),
		BytesIn:       unlessZero(int64(cfg.RateBytesIn)),
		BytesOut:      unlessZero(int64(cfg.RateBytesOut)),
		Connects:      unlessZero(cfg.RateConnects),
		Connections:   unlessZero(cfg.RateConnections),
		Subscriptions: unlessZero(cfg.RateSubscriptions),
	}
}

// unlessZero is nil for what has no limit.
func unlessZero[T int | int64 | float64](limit T) *T {
	if limit == 0 {
		return nil
	}
	return &limit
}

// limitGrowth keeps some of the disk free, so that all but growth goes on.
func limitGrowth(cfg config.Config, records *record.Service, figures *metrics.Metrics, log *slog.Logger) health.Check {
	space := diskspace.New(cfg.SQLiteDirPath, int64(cfg.MinFreeDisk), log)
	records.LimitGrowth(space)
	figures.Gauge("syncline_disk_free_bytes", "Free on the disk of the database.", func() float64 { return float64(space.Free()) })
	return health.Check{Name: "disk", Degrades: true, Failing: "low", Probe: func(context.Context) error { return space.Left() }}
}

// watchMemory shows what requests hold.
func watchMemory(memory budget.Memory, figures *metrics.Metrics) {
	figures.Gauge("syncline_input_bytes", "Memory granted to requests for what they brought, of half of MEMORY_BUDGET.", func() float64 { return float64(memory.Input.Used()) })
	figures.Gauge("syncline_output_bytes", "Memory granted to requests for what they answer, of half of MEMORY_BUDGET.", func() float64 { return float64(memory.Output.Used()) })
	figures.Gauge("syncline_memory_waiting", "Requests that wait for memory.", func() float64 { return float64(memory.Input.Waiting() + memory.Output.Waiting()) })
	figures.Gauge("syncline_memory_refused", "Requests refused so far because no memory was left for them.", func() float64 { return float64(memory.Input.Refused() + memory.Output.Refused()) })
}
