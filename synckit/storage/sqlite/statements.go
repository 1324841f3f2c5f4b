package sqlite

// statements are all that the store says to its tables.
type statements struct {
	insert, find, confirm, drop    string
	load, loadAggregate            string
	page, aggregate, place, latest string
	last                           string
	newest, clock                  string
	cursor, setCursor, forget      string
	review, reviewPlace, keep, end string
	reviewOf, reviewMark           string
}

const columns = `position, id, type, aggregate_id, data, metadata, version_kind, version, origin, confirmed`

func statementsFor(table string) statements {
	in := func(statement string) string { return named(table, statement) }
	return statements{
		insert: in(`INSERT INTO "T" (id, type, aggregate_id, data, metadata, version_kind, version, origin, confirmed, clock)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`),
		find:    in(`SELECT ` + columns + ` FROM "T" WHERE id = ? AND dropped = 0`),
		confirm: in(`UPDATE "T" SET confirmed = 1 WHERE id = ? AND confirmed = 0`),
		drop: in(`UPDATE "T" SET dropped = 1, type = '', data = '', metadata = '', version_kind = '', version = '', origin = ''
			WHERE id = ? AND aggregate_id = ? AND position < (SELECT max(position) FROM "T")`),

		load:          in(`SELECT ` + columns + ` FROM "T" WHERE position > ? AND dropped = 0 ORDER BY position`),
		loadAggregate: in(`SELECT ` + columns + ` FROM "T" WHERE position > ? AND aggregate_id = ? AND dropped = 0 ORDER BY position`),
		page:          in(`SELECT ` + columns + ` FROM "T" WHERE position > ? AND dropped = 0 ORDER BY position LIMIT ?`),
		aggregate:     in(`SELECT ` + columns + ` FROM "T" WHERE aggregate_id = ? AND dropped = 0 ORDER BY position`),
		place:         in(`SELECT coalesce(min(position), 0) FROM "T" WHERE version_kind = ? AND version = ?`),
		last:          in(`SELECT metadata FROM "T" ORDER BY position DESC LIMIT 1`),
		latest:        in(`SELECT coalesce(max(position), 0) FROM "T"`),

		newest: in(`SELECT coalesce((SELECT position FROM "T" WHERE aggregate_id = ? AND dropped = 0 ORDER BY position DESC LIMIT 1), 0)`),
		clock:  in(`SELECT coalesce(max(clock), 0) FROM "T" WHERE aggregate_id = ?`),

		cursor: in(`SELECT value FROM "T_cursors" WHERE peer = ? AND direction = ?`),
		setCursor: in(`INSERT INTO "T_cursors" (peer, direction, value) VALUES (?, ?, ?)
			ON CONFLICT (peer, direction) DO UPDATE SET value = excluded.value`),
		forget: in(`DELETE FROM "T_cursors" WHERE peer = ? AND direction = ?`),

		review:   in(`SELECT content FROM "T_reviews" WHERE place > ? AND content IS NOT NULL ORDER BY place LIMIT ?`),
		reviewOf: in(`SELECT content FROM "T_reviews" WHERE id = ? AND content IS NOT NULL`),
		reviewMark: in(`SELECT coalesce((SELECT max(place) FROM "T_reviews"), 0) || ' ' ||
			(SELECT count(*) FROM "T_reviews" WHERE content IS NOT NULL)`),
		reviewPlace: in(`SELECT place FROM "T_reviews" WHERE id = ?`),
		keep: in(`INSERT INTO "T_reviews" (id, content) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET content = excluded.content,
			place = iif(content IS NULL, (SELECT max(place) + 1 FROM "T_reviews"), place)`),
		end: in(`UPDATE "T_reviews" SET content = NULL WHERE id = ? AND content IS NOT NULL`),
	}
}
