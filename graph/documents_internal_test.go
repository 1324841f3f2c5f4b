package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
)

// A client that never sends the same document twice, short ones and long ones,
// costs no more than the bound, and does not push out what others keep using.
func TestDocumentCacheIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	c, ctx := newDocumentCache(), auth.NewContext(t.Context(), auth.Principal{})
	used := &ast.QueryDocument{}
	c.Add(ctx, "{ used }", used)
	for i := range 20_000 {
		text := fmt.Sprintf("{ a%d %s}", i, strings.Repeat("x ", i%3000))
		c.Add(ctx, text, &ast.QueryDocument{})
		c.Add(ctx, text, &ast.QueryDocument{})
		c.Add(t.Context(), text+"unsigned", &ast.QueryDocument{})
		if got, ok := c.Get(t.Context(), "{ used }"); !ok || got != used {
			t.Fatalf("after %d others the document that is in use is gone", i)
		}
	}
	size := 0
	for text := range c.byText {
		if strings.HasSuffix(text, "unsigned") {
			t.Fatal("a document that nobody signed is kept")
		}
		if len(text) > maxCachedDocument {
			t.Errorf("a document of %d bytes is kept", len(text))
		}
		size += len(text)
	}
	if size > cachedDocumentBytes || size != c.bytes || c.order.Len() != len(c.byText) {
		t.Errorf("%d bytes in %d documents are kept, counted as %d in %d", size, len(c.byText), c.bytes, c.order.Len())
	}
	if len(c.byText) < 50 {
		t.Errorf("%d documents are kept", len(c.byText))
	}
}
