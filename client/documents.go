package client

// The documents that the client sends. A test checks them against
// schema.graphql.
const (
	recordFields = ` { id data revision schemaVersion deleted clientId updatedAt }`
	lockFields   = ` { name locked exclusive holders { instanceId token expiresAt } }`
	writeFields  = ` { status newRevision record` + recordFields + ` replayed }`

	changesDocument = `query Changes($since: Cursor, $first: Int!) {
  changes(since: $since, first: $first) { records` + recordFields + ` cursor hasMore head }
}`
	recordDocument  = `query Record($id: ID!) { record(id: $id)` + recordFields + ` }`
	recordsDocument = `query Records($ids: [ID!]!) { records(ids: $ids)` + recordFields + ` }`
	lockDocument    = `query Lock($name: String!) { lock(name: $name)` + lockFields + ` }`
	viewerDocument  = `query Viewer { viewer { id head cursor recordCount storedBytes } }`
	limitsDocument  = `query Limits {
  limits {
    maxRecordBytes maxBatch maxPage maxPageBytes maxRequestBytes
    requestWindowSeconds maxRecords maxStoredBytes
    tombstoneRetentionSeconds mutationRetentionSeconds serverTime
  }
}`

	setRecordDocument    = `mutation SetRecord($input: SetRecordInput!) { setRecord(input: $input)` + writeFields + ` }`
	deleteRecordDocument = `mutation DeleteRecord($input: DeleteRecordInput!) { deleteRecord(input: $input)` + writeFields + ` }`
	writeRecordsDocument = `mutation WriteRecords($input: WriteRecordsInput!) {
  writeRecords(input: $input) { status results` + writeFields + ` replayed }
}`
	setLockDocument = `mutation SetLock($input: SetLockInput!) {
  setLock(input: $input) { status renewed token expiresAt lock` + lockFields + ` }
}`
	eraseAccountDocument = `mutation EraseAccount($input: EraseAccountInput!) {
  eraseAccount(input: $input) { erasedRecords cursor }
}`

	recordChangedDocument = `subscription RecordChanged($since: Cursor) {
  recordChanged(since: $since) { kind record` + recordFields + ` cursor }
}`
	lockChangedDocument = `subscription LockChanged($name: String!) { lockChanged(name: $name)` + lockFields + ` }`
)
