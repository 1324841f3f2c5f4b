package testservers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncline/storage"
)

// partitions is how many parts each table has: a power of two, by a hash of the owner.
const partitions = 8

// PartitionedPostgres is a server on whose databases each table that is keyed by owner lies in
// parts by a hash of the owner, as on a PostgreSQL that shards. It notes of each statement which
// owners it named and which parts it looked into.
type PartitionedPostgres struct{ *Postgres }

// StartPartitionedPostgres starts such a server.
func StartPartitionedPostgres(t testing.TB) *PartitionedPostgres {
	t.Helper()
	p := &PartitionedPostgres{StartPostgres(t)}
	for name, value := range map[string]string{
		"logging_collector": "on", "log_destination": "jsonlog", "log_filename": logName, "log_file_mode": "0644",
		"log_rotation_size": "0", "log_rotation_age": "0", // one file
	} {
		p.SQL("ALTER SYSTEM SET " + name + " = '" + value + "'")
	}
	p.Stop()
	p.Start()
	return p
}

const logName = "statements"

// NewURL makes a database on the server, up to date and partitioned, and returns its URL.
func (p *PartitionedPostgres) NewURL(t testing.TB) string {
	t.Helper()
	name := p.newDatabase(t)
	db, err := storage.OpenPostgres(t.Context(), p.url(name), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.ExecContext(t.Context(), partition); err != nil {
		t.Fatalf("partition the tables: %v", err)
	}
	for _, setting := range []string{ // of the sessions that begin from here on
		"session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0", "auto_explain.log_analyze = on",
		"auto_explain.log_timing = off", "auto_explain.log_format = 'json'",
		"log_min_messages = 'log'", "log_statement = 'all'",
	} {
		p.SQL("ALTER DATABASE " + name + " SET " + setting)
	}
	return p.url(name)
}

// Open opens such a database, which lives as long as the test.
func (p *PartitionedPostgres) Open(t testing.TB) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), p.NewURL(t), 0)
	return upToDate(t, db, err)
}

// partition puts a partitioned table in the place of each that has an owner, which is empty.
var partition = `DO $$ DECLARE whole record; BEGIN
FOR whole IN SELECT c.relname AS name FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relname LIKE 'syncline\_%' AND a.attname = 'owner' LOOP
	EXECUTE format('ALTER TABLE %I RENAME TO whole', whole.name);
	EXECUTE format('CREATE TABLE %I (LIKE whole INCLUDING ALL) PARTITION BY HASH (owner)', whole.name);
	FOR n IN 0..` + strconv.Itoa(partitions-1) + ` LOOP
		EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS ` + strconv.Itoa(partitions) + `, REMAINDER %s)',
			whole.name || '` + partMark + `' || n, whole.name, n);
	END LOOP;
	DROP TABLE whole;
END LOOP; END $$`

const partMark = "_part"

// RequireOwnersNamed fails if a statement on tables that are keyed by owner looked into a part
// in which none of the owners is that it named, unless it begins with one of acrossOwners. hot
// are pieces of statements that must have been executed, and acrossOwners must have been, too.
func (p *PartitionedPostgres) RequireOwnersNamed(t testing.TB, hot, acrossOwners []string) {
	t.Helper()
	executions := p.executions(t)
	place := p.places(t, executions)
	strays, named := map[string]string{}, map[string]bool{}
	for _, e := range executions {
		if len(e.owners) == 0 {
			strays[e.sql] = "names no owner"
		} else {
			named[e.sql] = true
		}
		for _, part := range e.parts {
			if !slices.ContainsFunc(e.owners, func(owner string) bool { return place[owner] == part }) {
				strays[e.sql] = fmt.Sprintf("names %d owners, and looked into part %d, where none of them is", len(e.owners), part)
			}
		}
	}
	for sql, why := range strays {
		if !slices.ContainsFunc(acrossOwners, func(start string) bool { return strings.HasPrefix(sql, start) }) {
			t.Errorf("a statement %s: %s", why, sql)
		}
		delete(named, sql)
	}
	for _, piece := range hot {
		if !containsKey(named, func(sql string) bool { return strings.Contains(sql, piece) }) {
			t.Errorf("no statement that names owners has %q", piece)
		}
	}
	for _, start := range acrossOwners {
		if !containsKey(strays, func(sql string) bool { return strings.HasPrefix(sql, start) }) {
			t.Errorf("no statement across owners begins with %q", start)
		}
	}
}

func containsKey[V any](m map[string]V, holds func(string) bool) bool {
	for key := range m {
		if holds(key) {
			return true
		}
	}
	return false
}

// execution is a statement that was executed once.
type execution struct {
	sql    string
	owners []string // in hex
	parts  []int
}

// logLine is what the server notes as one line. A session notes a statement with its
// parameters as it begins to execute it, and later its plan, before it executes it again.
type logLine struct {
	Session string `json:"session_id"`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

var (
	namedOwner = regexp.MustCompile(`\\x([0-9a-f]{66})\b`)
	began      = regexp.MustCompile(`(?s)^(?:statement|execute [^:]+): (.*)$`)
	planned    = regexp.MustCompile(`(?s)^duration: [0-9.]+ ms  plan:\n(.*)$`)
)

func (p *PartitionedPostgres) executions(t testing.TB) (found []execution) {
	t.Helper()
	type begun struct{ session, sql string }
	parameters := map[begun]string{}
	lines := bufio.NewScanner(strings.NewReader(p.log(t)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line logLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v: %.200s", err, lines.Text())
		}
		if begins := began.FindStringSubmatch(line.Message); begins != nil {
			parameters[begun{line.Session, begins[1]}] = line.Detail
		}
		note := planned.FindStringSubmatch(line.Message)
		if note == nil {
			continue
		}
		var plan struct {
			SQL  string `json:"Query Text"`
			Plan planNode
		}
		if err := json.Unmarshal([]byte(note[1]), &plan); err != nil {
			t.Fatalf("%v: %.200s", err, note[1])
		}
		if !plan.Plan.keyed() {
			continue
		}
		named, noted := parameters[begun{line.Session, plan.SQL}]
		if !noted {
			t.Fatalf("a plan without a beginning: %.200s", plan.SQL)
		}
		e := execution{sql: plan.SQL, parts: plan.Plan.parts()}
		for _, owner := range namedOwner.FindAllStringSubmatch(named, -1) {
			e.owners = append(e.owners, owner[1])
		}
		slices.Sort(e.owners)
		e.owners = slices.Compact(e.owners)
		found = append(found, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// log is what the server noted, up to now.
func (p *PartitionedPostgres) log(t testing.TB) (text string) {
	t.Helper()
	const file, mark, tail = "'log/" + logName + ".json'", "nothing was noted after this", "65536"
	p.SQL("DO $$ BEGIN SET LOCAL log_min_messages = 'log'; RAISE LOG '" + mark + "'; END $$")
	Await(t, "the server has noted all", func(ctx context.Context) bool {
		return p.Holds(ctx, "SELECT position('"+mark+"'::bytea IN pg_read_binary_file("+file+", greatest(0, size - "+tail+"), "+tail+")) > 0 FROM pg_stat_file("+file+")")
	})
	if err := p.scan(t.Context(), "SELECT pg_read_file("+file+")", &text); err != nil {
		t.Fatal(err)
	}
	return text
}

type planNode struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []planNode
}

// keyed tells whether a table that is keyed by owner is in the plan.
func (n planNode) keyed() bool {
	return strings.HasPrefix(n.Relation, "syncline_") && n.Relation != "syncline_epochs" && !strings.HasPrefix(n.Relation, "syncline_migrations") ||
		slices.ContainsFunc(n.Plans, planNode.keyed)
}

// parts are the numbers of those that were looked into, sorted.
func (n planNode) parts() (found []int) {
	if _, number, ok := strings.Cut(n.Relation, partMark); ok && n.Loops > 0 && n.Type != "ModifyTable" {
		part, _ := strconv.Atoi(number)
		found = append(found, part)
	}
	for _, below := range n.Plans {
		found = append(found, below.parts()...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// places tells in which part each owner is.
func (p *PartitionedPostgres) places(t testing.TB, executions []execution) map[string]int {
	t.Helper()
	place := map[string]int{}
	for _, e := range executions {
		for _, owner := range e.owners {
			place[owner] = -1
		}
	}
	conn, err := pgx.Connect(t.Context(), p.url("test1"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `SELECT owner, part FROM unnest($1::text[]) AS owner, generate_series(0, $2 - 1) AS part
WHERE satisfies_hash_partition('syncline_accounts'::regclass, $2, part, decode(owner, 'hex'))`,
		slices.Collect(maps.Keys(place)), partitions)
	if err != nil {
		t.Fatal(err)
	}
	var owner string
	var part int
	if _, err := pgx.ForEachRow(rows, []any{&owner, &part}, func() error { place[owner] = part; return nil }); err != nil {
		t.Fatal(err)
	}
	return place
}
