package version_test

import (
	"context"
	"fmt"
	"time"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/version"
)

func ExampleVectorClock() {
	phone, _ := version.NewVectorClock(map[string]uint64{"phone": 2, "laptop": 1})
	laptop, _ := version.NewVectorClock(map[string]uint64{"laptop": 2})
	fmt.Println(phone.Order(laptop) == synckit.Concurrent, phone.Compare(laptop) == 0)

	both, _ := phone.Merge(laptop)
	next, _ := both.Increment("laptop")
	fmt.Println(next, next.Order(phone) == synckit.After)
	// Output:
	// true false
	// {"laptop":3,"phone":2} true
}

func ExampleNewVersionedStore() {
	store, err := version.NewVersionedStore(memory.New(), "client-A", version.NewVectorClockManager())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	ctx := context.Background()
	for _, id := range []string{"e1", "e2"} {
		event := synckit.NewEvent(id, "UserCreated", "user-1", map[string]any{"name": "Ada"}, nil)
		if err := store.Store(ctx, event, nil); err != nil { // nil: the next version
			fmt.Println(err)
		}
	}
	events, _ := store.Load(ctx, nil)
	for _, e := range events {
		fmt.Println(e.Event.ID(), e.Version)
	}
	// Output:
	// e1 {"client-A":1}
	// e2 {"client-A":2}
}

func ExampleNewHLCManager() {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	clock := version.NewHLCManager(version.HLCOptions{Now: func() time.Time { return noon }})
	fmt.Println(clock.NextVersion("laptop"), clock.NextVersion("laptop"))

	// What comes from a clock that is ahead is followed, so that answers are later.
	_ = clock.UpdateFromVersion(version.HLC{WallMicros: noon.Add(time.Second).UnixMicro(), Node: "phone"})
	fmt.Println(clock.NextVersion("laptop"))
	// Output:
	// 1795348800000000.0@laptop 1795348800000000.1@laptop
	// 1795348801000000.1@laptop
}

func ExampleParse() {
	for _, text := range []string{"17", `{"A":1,"B":2}`, "1795348800000000.3@laptop"} {
		v, err := version.Parse(text)
		fmt.Printf("%T %v\n", v, err)
	}
	// Output:
	// cursor.IntegerCursor <nil>
	// version.VectorClock <nil>
	// version.HLC <nil>
}
