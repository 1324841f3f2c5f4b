package ent

import (
	"database/sql"

	entsql "entgo.io/ent/dialect/sql"
)

// Pool is the pool of connections below a client that was made over one with
// Ent's SQL driver, for hot statements by hand. A transaction's client has none.
func (c *Client) Pool() (*sql.DB, bool) {
	driver, ok := c.driver.(*entsql.Driver)
	if !ok {
		return nil, false
	}
	return driver.DB(), true
}
