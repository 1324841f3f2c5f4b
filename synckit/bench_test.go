package synckit_test

import (
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// BenchmarkPush pushes a thousand events from a log in memory to another, and BenchmarkPull pulls
// them: what an event costs beside disks and networks.
func BenchmarkPush(b *testing.B) { benchmarkSync(b, true) }

func BenchmarkPull(b *testing.B) { benchmarkSync(b, false) }

func benchmarkSync(b *testing.B, push bool) {
	const events = 1000
	for name, metadata := range map[string]map[string]any{"plain": nil, "metadata": {"author": "somebody", "device": "phone"}} {
		b.Run(name, func(b *testing.B) {
			full := memory.New()
			for i := range events {
				data := map[string]any{"title": fmt.Sprint("a note ", i), "body": "it has some text, as notes have", "done": false}
				if err := full.Store(b.Context(), synckit.NewEvent(fmt.Sprint("event-", i), "Changed", fmt.Sprint(i%50), data, metadata), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				from, to := full, memory.New()
				if !push {
					from, to = to, from
				}
				m := synckit.NewSyncManager(from, memtransport.New(fmt.Sprintf("%p", to), to), nil)
				r, err := m.Sync(b.Context())
				if err != nil || r.EventsPushed+r.EventsPulled != events {
					b.Fatal(r, err)
				}
				m.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
		})
	}
}
