package retention_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/records"
	"syncline/storage/retention"
)

// BenchmarkWritersBesideAPurge has 16 writers, each an owner, write for as long as a
// purge of a million tombstones takes, and as long again without. It tells both times
// that 99 of 100 writes stay below, and how long the purge took.
func BenchmarkWritersBesideAPurge(b *testing.B) {
	onBoth(b, writersBesideAPurge)
}

// onBoth runs a benchmark on an empty database of each kind.
func onBoth(b *testing.B, run func(*testing.B, *storage.DB)) {
	b.Run("SQLite", func(b *testing.B) { run(b, testservers.SQLite(b)) })
	b.Run("PostgreSQL", func(b *testing.B) { run(b, testservers.StartPostgres(b).Open(b)) })
}

// newService serves writes to a database, by an engine.
func newService(b *testing.B, db *storage.DB) (*commit.Engine, *record.Service) {
	engine, bus := db.NewEngine(), inproc.New()
	b.Cleanup(bus.Close)
	return engine, record.NewService(records.New(db, engine), bus, silent)
}

func writersBesideAPurge(b *testing.B, db *storage.DB) {
	const owners, each = 100, 10_000
	engine, service := newService(b, db)
	for b.Loop() {
		for n := range owners {
			owner := ownerNumber(1000 + n)
			literal, yes := fmt.Sprintf("X'%x'", owner[:]), "1"
			if db.Dialect == "postgres" {
				literal, yes = fmt.Sprintf(`'\x%x'::bytea`, owner[:]), "true"
			}
			for _, statement := range []string{
				fmt.Sprintf("INSERT INTO syncline_accounts (owner, head, tombstones) VALUES (%s, %d, %d) ON CONFLICT (owner) DO UPDATE SET head = 2 * %d, tombstones = %d, floor = 0", literal, each, each, each, each),
				fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, deleted, updated_at) WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) SELECT %s, 'dead' || n, n, %s, 1 FROM numbers", each, literal, yes),
			} {
				if _, err := db.Write.ExecContext(b.Context(), statement); err != nil {
					b.Fatal(err)
				}
			}
		}
		began := time.Now()
		var swept retention.Swept
		beside := p99(b, service, func() {
			var err error
			config := retention.Config{Tombstones: 90 * day}
			if swept, err = retention.New(db.Read, engine, config, time.Now, silent).Sweep(b.Context()); err != nil {
				b.Error(err)
			}
		})
		took := time.Since(began)
		if swept.Tombstones != owners*each {
			b.Errorf("swept %+v", swept)
		}
		timer := time.NewTimer(took)
		alone := p99(b, service, func() { <-timer.C })
		b.ReportMetric(float64(alone)/float64(time.Millisecond), "ms-p99-alone")
		b.ReportMetric(float64(beside)/float64(time.Millisecond), "ms-p99-beside")
		b.ReportMetric(took.Seconds(), "s-purge")
	}
}

// p99 has 16 writers write until something is done, and answers how long a write took
// that was slower than 99 of 100.
func p99(b *testing.B, service *record.Service, something func()) time.Duration {
	done := make(chan struct{})
	var writers sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	for n := range 16 {
		writers.Go(func() {
			var took []time.Duration
			for i := 0; ; i++ {
				select {
				case <-done:
					mu.Lock()
					all = append(all, took...)
					mu.Unlock()
					return
				default:
				}
				began := time.Now()
				id := fmt.Sprint("mutation ", began.UnixNano(), n)
				request := record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: fmt.Sprint("new ", id, i), Data: make([]byte, 200)}}, MutationID: &id}
				if _, err := service.Write(b.Context(), ownerNumber(n), request); err != nil {
					b.Error(err)
					return
				}
				took = append(took, time.Since(began))
			}
		})
	}
	something()
	close(done)
	writers.Wait()
	slices.Sort(all)
	b.Logf("%d writes", len(all))
	return all[len(all)*99/100]
}
