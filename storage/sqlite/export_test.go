package sqlite

import "fmt"

// Statements are all that the tables have, by what they are for, and those of feeds.
func Statements() map[string]string {
	all := map[string]string{"feed": feed, "feed without tombstones": feedSkipTombstones}
	for i, t := range tables {
		if t == nil {
			continue
		}
		for kind, text := range map[string]string{"read": t.read, "insert": t.insert, "remove": t.remove} {
			if text != "" {
				all[fmt.Sprint(kind, " ", i)] = text
			}
		}
	}
	return all
}
