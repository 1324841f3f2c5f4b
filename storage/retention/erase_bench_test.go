package retention_test

import (
	"fmt"
	"testing"
	"time"

	"syncline/storage"
	"syncline/storage/retention"
)

// BenchmarkWritersBesideAnErasure has an owner of a million records erase them while 16 writers, each an owner,
// write: how long the answer takes, and all of the removal, and the time that 99 of 100 writes stay below meanwhile and without.
func BenchmarkWritersBesideAnErasure(b *testing.B) {
	onBoth(b, writersBesideAnErasure)
}

func writersBesideAnErasure(b *testing.B, db *storage.DB) {
	const million = 1_000_000
	engine, service := newService(b, db)
	for i := 0; b.Loop(); i++ {
		owner := ownerNumber(1000 + i)
		literal, no, data := fmt.Sprintf("X'%x'", owner[:]), "0", "zeroblob(200)"
		if db.Dialect == "postgres" {
			literal, no, data = fmt.Sprintf(`'\x%x'::bytea`, owner[:]), "false", "decode(repeat('00', 200), 'hex')"
		}
		for _, statement := range []string{
			fmt.Sprintf("INSERT INTO syncline_accounts (owner, head, record_count, stored_bytes) VALUES (%s, %d, %d, 200 * %d)", literal, million, million, million),
			fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, deleted, updated_at, data) WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) SELECT %s, 'r' || n, n, %s, 1, %s FROM numbers", million, literal, no, data),
		} {
			if _, err := db.Write.ExecContext(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
		began := time.Now()
		var answered time.Duration
		var swept retention.Swept
		beside := p99(b, service, func() {
			if _, _, err := service.EraseAccount(b.Context(), owner, owner.String(), nil); err != nil {
				b.Error(err)
			}
			answered = time.Since(began)
			var err error
			if swept, err = retention.New(db.Read, engine, retention.Config{}, time.Now, silent).Sweep(b.Context()); err != nil {
				b.Error(err)
			}
		})
		took := time.Since(began)
		if swept.Erased != million {
			b.Errorf("swept %+v", swept)
		}
		timer := time.NewTimer(min(took, time.Minute))
		alone := p99(b, service, func() { <-timer.C })
		b.ReportMetric(float64(answered)/float64(time.Millisecond), "ms-answer")
		b.ReportMetric(float64(alone)/float64(time.Millisecond), "ms-p99-alone")
		b.ReportMetric(float64(beside)/float64(time.Millisecond), "ms-p99-beside")
		b.ReportMetric(took.Seconds(), "s-removal")
	}
}
