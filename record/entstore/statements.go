package entstore

// The statements of a group's transaction. On SQLite they run once for each row,
// prepared; on PostgreSQL once for the group, with an array for each column.

import (
	"strings"

	"syncline/ent/account"
	"syncline/ent/appliedmutation"
	"syncline/ent/epoch"
	"syncline/ent/lock"
	entrecord "syncline/ent/record"
)

// named fills in Ent's names of tables and columns.
func named(statement string) string { return names.Replace(statement) }

var names = strings.NewReplacer(
	"{accounts}", account.Table,
	"{account}", account.FieldID,
	"{head}", account.FieldHead,
	"{floor}", account.FieldFloor,
	"{record_count}", account.FieldRecordCount,
	"{stored_bytes}", account.FieldStoredBytes,
	"{records}", entrecord.Table,
	"{record.owner}", entrecord.FieldOwner,
	"{record.id}", entrecord.FieldID,
	"{revision}", entrecord.FieldRevision,
	"{deleted}", entrecord.FieldDeleted,
	"{schema_version}", entrecord.FieldSchemaVersion,
	"{client_id}", entrecord.FieldClientID,
	"{updated_at}", entrecord.FieldUpdatedAt,
	"{data}", entrecord.FieldData,
	"{mutations}", appliedmutation.Table,
	"{mutation.owner}", appliedmutation.FieldOwner,
	"{mutation.id}", appliedmutation.FieldID,
	"{digest}", appliedmutation.FieldDigest,
	"{revisions}", appliedmutation.FieldRevisions,
	"{mutation.head}", appliedmutation.FieldHead,
	"{locks}", lock.Table,
	"{lock.owner}", lock.FieldOwner,
	"{lock.id}", lock.FieldID,
	"{fence}", lock.FieldFence,
	"{epochs}", epoch.Table,
	"{number}", epoch.FieldID,
	"{base}", epoch.FieldBase,
	"{epoch}", epoch.FieldEpoch,
)

var selectEpoch = named("SELECT {base}, {epoch} FROM {epochs} ORDER BY {number} DESC LIMIT 1")

// accountNow is the epoch and an owner's account, with zeros if there is no row
// for it.
const accountNow = "SELECT e.{epoch}, coalesce({head}, 0), coalesce({floor}, 0), coalesce({record_count}, 0), coalesce({stored_bytes}, 0) " +
	"FROM (SELECT {epoch} FROM {epochs} ORDER BY {number} DESC LIMIT 1) AS e LEFT JOIN {accounts} ON {account} = "

var (
	sqliteAccountNow   = named(accountNow + "?")
	postgresAccountNow = named(accountNow + "$1")
)

// What is read of a row, in the order of the scanners.
const (
	accountColumns  = "{head}, {record_count}, {stored_bytes}"
	storedColumns   = "{revision}, {deleted}, {schema_version}, {client_id}, {updated_at}, coalesce(length({data}), 0)"
	mutationColumns = "{digest}, {revisions}"
)

// Where rows go, with the state that they get if they are there already.
const (
	intoAccounts = "INSERT INTO {accounts} ({account}, {head}, {record_count}, {stored_bytes}) "
	orAccount    = " ON CONFLICT ({account}) DO UPDATE SET {head} = excluded.{head}, " +
		"{record_count} = excluded.{record_count}, {stored_bytes} = excluded.{stored_bytes}"

	intoRecords = "INSERT INTO {records} ({record.owner}, {record.id}, {revision}, {deleted}, " +
		"{schema_version}, {client_id}, {updated_at}, {data}) "
	orRecord = " ON CONFLICT ({record.owner}, {record.id}) DO UPDATE SET {revision} = excluded.{revision}, " +
		"{deleted} = excluded.{deleted}, {schema_version} = excluded.{schema_version}, " +
		"{client_id} = excluded.{client_id}, {updated_at} = excluded.{updated_at}, {data} = excluded.{data}"

	intoMutations = "INSERT INTO {mutations} ({mutation.owner}, {mutation.id}, {digest}, {revisions}, {mutation.head}) "
)

// SQLite's.
var (
	sqliteAccount  = named("SELECT " + accountColumns + " FROM {accounts} WHERE {account} = ?")
	sqliteStored   = named("SELECT " + storedColumns + " FROM {records} WHERE {record.owner} = ? AND {record.id} = ?")
	sqliteData     = named("SELECT {data} FROM {records} WHERE {record.owner} = ? AND {record.id} = ?")
	sqliteMutation = named("SELECT " + mutationColumns + " FROM {mutations} WHERE {mutation.owner} = ? AND {mutation.id} = ?")
	sqliteFence    = named("SELECT {fence} FROM {locks} WHERE {lock.owner} = ? AND {lock.id} = ?")

	sqliteKeepAccount  = named(intoAccounts + "VALUES (?, ?, ?, ?)" + orAccount)
	sqliteKeepRecord   = named(intoRecords + "VALUES (?, ?, ?, ?, ?, ?, ?, ?)" + orRecord)
	sqliteKeepMutation = named(intoMutations + "VALUES (?, ?, ?, ?, ?)")
)

// PostgreSQL's. LATERAL with LIMIT has it look up one key after the other in the
// index. The arrays stand in sub-selects to hide their lengths: planned for one
// row, a statement would seem so cheap that the plan for any number of rows is
// passed over, and each execution is planned anew.
const (
	eachOwner = " FROM unnest((SELECT $1::bytea[])) AS k(owner) CROSS JOIN LATERAL (SELECT "
	eachKey   = " FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[])) AS k(owner, id) CROSS JOIN LATERAL (SELECT "
)

var (
	postgresAccounts = named("SELECT k.owner, r.*" + eachOwner + accountColumns +
		" FROM {accounts} WHERE {account} = k.owner LIMIT 1 FOR UPDATE SKIP LOCKED) AS r")
	postgresAccountsPatient = strings.Replace(postgresAccounts, " SKIP LOCKED", "", 1)
	// What a newer transaction inserted meanwhile is not returned: it is locked.
	postgresNewAccounts = named("INSERT INTO {accounts} ({account}) SELECT k.owner FROM unnest((SELECT $1::bytea[])) AS k(owner) " +
		"WHERE (SELECT true FROM {accounts} WHERE {account} = k.owner LIMIT 1) IS NULL " +
		"ON CONFLICT DO NOTHING RETURNING {account}")

	postgresStored = named("SELECT k.owner, k.id, r.*" + eachKey + storedColumns +
		" FROM {records} WHERE {record.owner} = k.owner AND {record.id} = k.id LIMIT 1) AS r")
	postgresData = named("SELECT k.owner, k.id, r.*" + eachKey + "{data}" +
		" FROM {records} WHERE {record.owner} = k.owner AND {record.id} = k.id LIMIT 1) AS r")
	postgresMutations = named("SELECT k.owner, k.id, r.*" + eachKey + mutationColumns +
		" FROM {mutations} WHERE {mutation.owner} = k.owner AND {mutation.id} = k.id LIMIT 1) AS r")
	postgresFences = named("SELECT k.owner, k.id, r.*" + eachKey + "{fence}" +
		" FROM {locks} WHERE {lock.owner} = k.owner AND {lock.id} = k.id LIMIT 1) AS r")

	postgresFeed = named("SELECT " + strings.Join(recordColumns, ", ") + feedSpan + " AND {revision} <= " + lastWithinBytes +
		" ORDER BY {revision} LIMIT $4")

	postgresKeepAccounts = named(intoAccounts +
		"SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]))" + orAccount)
	postgresKeepRecords = named(intoRecords + "SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bigint[]), " +
		"(SELECT $4::boolean[]), (SELECT $5::text[]), (SELECT $6::text[]), (SELECT $7::bigint[]), (SELECT $8::bytea[]))" + orRecord)
	postgresKeepMutations = named(intoMutations +
		"SELECT * FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bytea[]), (SELECT $4::bytea[]), (SELECT $5::bigint[]))")
)

// feedSpan are the records of $1 after revision $2, without tombstones up to $3.
const feedSpan = " FROM {records} WHERE {record.owner} = $1 AND {revision} > $2 AND (NOT {deleted} OR {revision} > $3)"

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
