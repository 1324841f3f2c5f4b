package main

import (
	"context"
	"fmt"
	"log"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/sqlite"
)

// DocumentEvent is an edit of a document.
type DocumentEvent struct {
	EventID    string    `json:"id"`
	DocumentID string    `json:"document_id"`
	Content    string    `json:"content"`
	AuthorName string    `json:"author_name"`
	EditTime   time.Time `json:"edit_time"`
}

func (e *DocumentEvent) ID() string          { return e.EventID }
func (e *DocumentEvent) Type() string        { return "document.edited" }
func (e *DocumentEvent) AggregateID() string { return e.DocumentID }
func (e *DocumentEvent) Data() interface{}   { return e }
func (e *DocumentEvent) Metadata() map[string]interface{} {
	return map[string]interface{}{"author_name": e.AuthorName, "edit_time": e.EditTime}
}

// LatestAuthor keeps the edit with the latest time.
type LatestAuthor struct{ name string }

// Resolve has another signature: all events of both sides, and what counts of them.
func (r *LatestAuthor) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	var winner synckit.EventWithVersion
	var latest time.Time
	for _, e := range append(local, remote...) {
		var document DocumentEvent
		if err := synckit.DecodeData(e.Event, &document); err != nil {
			return nil, err
		}
		if document.EditTime.After(latest) {
			winner, latest = e, document.EditTime
		}
	}
	return []synckit.EventWithVersion{winner}, nil
}

func main() {
	storeA, err := sqlite.NewWithDataSource("client-a.db")
	if err != nil {
		log.Fatalf("store A: %v", err)
	}
	defer storeA.Close()
	storeB, err := sqlite.NewWithDataSource("client-b.db")
	if err != nil {
		log.Fatalf("store B: %v", err)
	}
	defer storeB.Close()
	ctx := context.Background()

	strategies := []struct {
		name   string
		option synckit.ManagerOption
	}{
		{"Last-Write-Wins", synckit.WithLWW()},
		{"First-Write-Wins", synckit.WithFWW()},
		{"Additive Merge", synckit.WithAdditiveMerge()},
		{"Custom", synckit.WithConflictResolver(&LatestAuthor{"latest"})},
	}
	for i, strategy := range strategies {
		mgrA, err := synckit.NewManager(synckit.WithStore(storeA), synckit.WithNullTransport(), strategy.option)
		if err != nil {
			log.Fatalf("manager A: %v", err)
		}
		mgrB, err := synckit.NewManager(synckit.WithStore(storeB), synckit.WithNullTransport(), strategy.option)
		if err != nil {
			log.Fatalf("manager B: %v", err)
		}
		now := time.Now()
		a := &DocumentEvent{fmt.Sprintf("edit-a-%d", i), "shared", "by A", "Ada", now}
		b := &DocumentEvent{fmt.Sprintf("edit-b-%d", i), "shared", "by B", "Bob", now.Add(30 * time.Second)}
		if err := storeA.Store(ctx, a, cursor.IntegerCursor{Seq: uint64(i*10 + 1)}); err != nil {
			log.Fatalf("store A: %v", err)
		}
		if err := storeB.Store(ctx, b, cursor.IntegerCursor{Seq: uint64(i*10 + 2)}); err != nil {
			log.Fatalf("store B: %v", err)
		}
		for _, mgr := range []synckit.SyncManager{mgrA, mgrB} {
			result, err := mgr.Sync(ctx)
			if err != nil {
				log.Fatalf("sync: %v", err)
			}
			fmt.Printf("%s: %d conflicts resolved\n", strategy.name, result.ConflictsResolved)
		}
		events, err := storeA.LoadByAggregate(ctx, "shared", cursor.IntegerCursor{Seq: 0})
		if err != nil {
			log.Fatalf("load: %v", err)
		}
		fmt.Printf("%d events\n", len(events))
	}
}
