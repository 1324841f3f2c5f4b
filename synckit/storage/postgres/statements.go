package postgres

// statements are all that the store says to its tables.
type statements struct {
	lock, setHead                     string
	insert, find, confirm, drop       string
	load, loadAggregate               string
	page, pageOfAggregate, pageOfType string
	aggregate, place, latest          string
	newest, clocks                    string
	cursor, setCursor, forget         string
	review, reviewPlace, keep, end    string
	reviewOf, reviewMark              string
	notify                            string
}

const columns = `position, id, type, aggregate_id, data, metadata, version_kind, version, origin, confirmed`

func statementsFor(table string) statements {
	in := func(statement string) string { return named(table, statement) }
	return statements{
		lock:    in(`SELECT latest, micros FROM "T_head" FOR UPDATE`),
		setHead: in(`UPDATE "T_head" SET latest = $1, micros = $2`),

		insert: in(`INSERT INTO "T" (position, id, type, aggregate_id, data, metadata, version_kind, version, origin, confirmed, clock)
			SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::text[], $8::bytea[],
				$9::bytea[], $10::boolean[], $11::bigint[])`),
		find:    in(`SELECT ` + columns + `, dropped FROM "T" WHERE id = ANY($1)`),
		confirm: in(`UPDATE "T" SET confirmed = true WHERE id = ANY($1) AND NOT confirmed`),
		drop: in(`UPDATE "T" SET dropped = true, type = '', data = '', metadata = '', version_kind = '', version = '', origin = ''
			WHERE id = ANY($2) AND aggregate_id = $1 AND position < $3 AND NOT dropped`),

		load:          in(`SELECT ` + columns + ` FROM "T" WHERE position > $1 AND NOT dropped ORDER BY position`),
		loadAggregate: in(`SELECT ` + columns + ` FROM "T" WHERE position > $1 AND aggregate_id = $2 AND NOT dropped ORDER BY position`),
		page:          in(`SELECT ` + columns + ` FROM "T" WHERE position > $1 AND NOT dropped ORDER BY position LIMIT $2`),
		pageOfAggregate: in(`SELECT ` + columns + ` FROM "T" WHERE position > $1 AND aggregate_id = $3 AND NOT dropped
			ORDER BY position LIMIT $2`),
		pageOfType: in(`SELECT ` + columns + ` FROM "T" WHERE position > $1 AND type = $3 AND NOT dropped ORDER BY position LIMIT $2`),
		aggregate:  in(`SELECT ` + columns + ` FROM "T" WHERE aggregate_id = $1 AND NOT dropped ORDER BY position`),
		place:      in(`SELECT coalesce(min(position), 0) FROM "T" WHERE version_kind = $1 AND version = $2`),
		latest:     in(`SELECT latest FROM "T_head"`),

		newest: in(`SELECT asked.id, coalesce((SELECT position FROM "T" WHERE aggregate_id = asked.id AND NOT dropped
			ORDER BY position DESC LIMIT 1), 0) FROM unnest($1::bytea[]) AS asked(id)`),
		clocks: in(`SELECT aggregate_id, max(clock) FROM "T" WHERE aggregate_id = ANY($1) GROUP BY aggregate_id`),

		cursor: in(`SELECT value FROM "T_cursors" WHERE peer = $1 AND direction = $2`),
		setCursor: in(`INSERT INTO "T_cursors" (peer, direction, value) VALUES ($1, $2, $3)
			ON CONFLICT (peer, direction) DO UPDATE SET value = excluded.value`),
		forget: in(`DELETE FROM "T_cursors" WHERE peer = $1 AND direction = $2`),

		review:   in(`SELECT content FROM "T_reviews" WHERE place > $1 AND content IS NOT NULL ORDER BY place LIMIT $2`),
		reviewOf: in(`SELECT content FROM "T_reviews" WHERE id = $1 AND content IS NOT NULL`),
		reviewMark: in(`SELECT coalesce((SELECT max(place) FROM "T_reviews"), 0) || ' ' ||
			(SELECT count(*) FROM "T_reviews" WHERE content IS NOT NULL)`),
		reviewPlace: in(`SELECT place FROM "T_reviews" WHERE id = $1`),
		keep: in(`INSERT INTO "T_reviews" AS r (place, id, content)
			VALUES ((SELECT coalesce(max(place), 0) + 1 FROM "T_reviews"), $1, $2)
			ON CONFLICT (id) DO UPDATE SET content = excluded.content,
				place = CASE WHEN r.content IS NULL THEN excluded.place ELSE r.place END`),
		end: in(`UPDATE "T_reviews" SET content = NULL WHERE id = $1 AND content IS NOT NULL`),

		notify: `SELECT pg_notify($1, $2)`,
	}
}
