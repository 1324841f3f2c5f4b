package records_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// writeOwners is how many owners BenchmarkWrite spreads its writes over.
var writeOwners = flag.Int("write.owners", 1000, "owners of BenchmarkWrite")

// BenchmarkWrite measures durable writes of new records of 1 KiB, by so many
// writers at a time. Beside the time of the clock it tells the processor time of
// this process, which other work on the machine disturbs less.
func BenchmarkWrite(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		benchmarkWrite(b, func(b *testing.B) *storage.DB { return testservers.SQLite(b) })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		server := testservers.StartPostgres(b)
		benchmarkWrite(b, func(b *testing.B) *storage.DB { return server.Open(b) })
	})
}

func benchmarkWrite(b *testing.B, open func(*testing.B) *storage.DB) {
	for _, kind := range []struct {
		name      string
		owners    int
		mutations bool
	}{
		{"owners", *writeOwners, false},
		{"one-owner", 1, false},
		{"mutation-ids", *writeOwners, true},
	} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, writers), func(b *testing.B) {
				measureWrites(b, newStore(open(b)), writers, kind.owners, kind.mutations)
			})
		}
	}
}

func measureWrites(b *testing.B, store record.Store, writers, owners int, mutations bool) {
	data := make([]byte, 1024)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	var (
		left atomic.Int64
		wg   sync.WaitGroup
	)
	left.Store(int64(b.N))
	b.ReportAllocs()
	before := processorTime(b)
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				request := set(fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), 0)
				request.Writes[0].Data = data
				if mutations {
					request.MutationID = &request.Writes[0].ID
				}
				if _, err := store.Write(b.Context(), someOwner(rand.IntN(owners)), request); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(b.N), "cpu-µs/op")
}

// someOwner spreads the keys of owners as keys are spread.
func someOwner(n int) record.Owner {
	owner := record.Owner{0: 2}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	for i := 1; i < len(owner); i += 8 {
		binary.LittleEndian.PutUint64(owner[i:], random.Uint64())
	}
	return owner
}

func processorTime(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
