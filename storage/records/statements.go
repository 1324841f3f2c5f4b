package records

// The statements of hot reads.

import (
	"strings"

	"syncline/ent/account"
	"syncline/ent/epoch"
	entrecord "syncline/ent/record"
)

// named fills in Ent's names of tables and columns.
func named(statement string) string { return names.Replace(statement) }

var names = strings.NewReplacer(
	"{accounts}", account.Table,
	"{account}", account.FieldID,
	"{head}", account.FieldHead,
	"{floor}", account.FieldFloor,
	"{erased}", account.FieldErased,
	"{record_count}", account.FieldRecordCount,
	"{stored_bytes}", account.FieldStoredBytes,
	"{fence_token}", account.FieldFenceToken,
	"{created_at}", account.FieldCreatedAt,
	"{tombstones}", account.FieldTombstones,
	"{mutation_bytes}", account.FieldMutationBytes,
	"{quota_records}", account.FieldQuotaRecords,
	"{quota_bytes}", account.FieldQuotaBytes,
	"{records}", entrecord.Table,
	"{record.owner}", entrecord.FieldOwner,
	"{revision}", entrecord.FieldRevision,
	"{deleted}", entrecord.FieldDeleted,
	"{data}", entrecord.FieldData,
	"{epochs}", epoch.Table,
	"{number}", epoch.FieldID,
	"{epoch}", epoch.FieldEpoch,
)

// accountNow is the epoch and an owner's account, with zeros if there is no row
// for it.
const accountNow = "SELECT e.{epoch}, coalesce({head}, 0), coalesce({floor}, 0), coalesce({erased}, 0), coalesce({record_count}, 0), coalesce({stored_bytes}, 0), " +
	"coalesce({created_at} > 0 OR {head} > 0 OR {fence_token} > 0, false), coalesce({tombstones}, 0), coalesce({mutation_bytes}, 0), " +
	"coalesce({quota_records}, 0), coalesce({quota_bytes}, 0) " +
	"FROM (SELECT {epoch} FROM {epochs} ORDER BY {number} DESC LIMIT 1) AS e LEFT JOIN {accounts} ON {account} = "

var (
	sqliteAccountNow   = named(accountNow + "?")
	postgresAccountNow = named(accountNow + "$1")
)

var postgresFeed = named("SELECT " + strings.Join(recordColumns, ", ") + feedSpan + " AND {revision} <= " + lastWithinBytes +
	" ORDER BY {revision} LIMIT $4")

// feedSpan are the records of $1 after revision $2 that are not erased, without
// tombstones up to $3.
const feedSpan = " FROM {records} WHERE {record.owner} = $1 AND {revision} > $2 AND {revision} > " + erasedUpTo + " AND (NOT {deleted} OR {revision} > $3)"

const erasedUpTo = "coalesce((SELECT {erased} FROM {accounts} WHERE {account} = $1), 0)"

// lastWithinBytes is a revision that a page of $4 records and $5 bytes does not
// reach beyond, or a few records later: PostgreSQL sends all that a statement
// selects, so it must know where to stop. Whoever has fewer bytes in all needs no
// bound. Otherwise a record is left out if those up to the one but last before
// it exceed the bytes; lengths are read without the data where that is large,
// for then PostgreSQL keeps it apart.
const lastWithinBytes = "CASE WHEN (SELECT {stored_bytes} FROM {accounts} WHERE {account} = $1) <= $5 " +
	"THEN 9223372036854775807 ELSE (SELECT max({revision}) FROM (" +
	"SELECT {revision}, coalesce(sum(length({data})) OVER " +
	"(ORDER BY {revision} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before" + feedSpan +
	" ORDER BY {revision} LIMIT $4) AS sizes WHERE before <= $5) END"
