package sqlite

import "database/sql/driver"

var fences = table{
	name:    "fences",
	read:    "SELECT fence FROM syncline_locks WHERE owner = ? AND name = ?",
	columns: 1,
	keys:    2,
	scan:    func(_ string, columns []driver.Value) any { return integer(columns[0]) },
}
