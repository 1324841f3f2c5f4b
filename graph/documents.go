package graph

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
)

// Bounds of the documents that are kept, in bytes of their text: of all, and of
// one. A parsed document takes up to a hundred times as much memory as its text,
// if it is made to, so this is some 25 MB at worst. Clients have a few documents
// of a few hundred bytes each.
const (
	cachedDocumentBytes = 256 << 10
	maxCachedDocument   = 4 << 10
)

// documentCache keeps documents that were parsed and have passed all checks that
// do not look at variables; those that were used last.
type documentCache struct {
	mu     sync.Mutex
	bytes  int
	byText map[string]*list.Element            // of *document
	byHash map[[sha256.Size]byte]*list.Element // the same
	order  list.List                           // the last used first
}

type document struct {
	text      string
	hash      [sha256.Size]byte // of the text
	parsed    *ast.QueryDocument
	unchecked *ast.QueryDocument // for variables that conform
}

func newDocumentCache() *documentCache {
	return &documentCache{byText: make(map[string]*list.Element), byHash: make(map[[sha256.Size]byte]*list.Element)}
}

// find is the document that has a text, which counts as used.
func (c *documentCache) find(text string) (*document, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.byText[text]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*document), true
}

// Get implements graphql.Cache. The document that shape has found for the operation
// comes before any other.
func (c *documentCache) Get(ctx context.Context, text string) (*ast.QueryDocument, bool) {
	if graphql.HasOperationContext(ctx) {
		if found := graphql.GetOperationContext(ctx).Doc; found != nil {
			return found, true
		}
	}
	known, ok := c.find(text)
	if !ok {
		return nil, false
	}
	return known.parsed, true
}

// textOf is the text that has a hash.
func (c *documentCache) textOf(hash [sha256.Size]byte) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.byHash[hash]
	if !ok {
		return "", false
	}
	return element.Value.(*document).text, true
}

// Add implements graphql.Cache. A document that is too long is not kept, and
// neither is one that nobody signed: they cost little, and must not drive out
// those of others.
func (c *documentCache) Add(ctx context.Context, text string, parsed *ast.QueryDocument) {
	if _, signed := auth.FromContext(ctx); !signed || len(text) > maxCachedDocument {
		return
	}
	hash := sha256.Sum256([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byText[text]; ok {
		return // by a request at the same time
	}
	element := c.order.PushFront(&document{text, hash, parsed, withoutChecks(parsed)})
	c.byText[text], c.byHash[hash] = element, element
	for c.bytes += len(text); c.bytes > cachedDocumentBytes; {
		oldest := c.order.Remove(c.order.Back()).(*document)
		delete(c.byText, oldest.text)
		delete(c.byHash, oldest.hash)
		c.bytes -= len(oldest.text)
	}
}
