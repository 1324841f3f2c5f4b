package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// codePersistedQueryNotFound asks the client to send the document with its hash.
// Clients go by this code, or by the message that goes with it.
const (
	codePersistedQueryNotFound    = "PERSISTED_QUERY_NOT_FOUND"
	messagePersistedQueryNotFound = "PersistedQueryNotFound"
)

// persisted takes the SHA-256 of a document that is in the cache for the
// document: automatic persisted queries, as Apollo's and urql's clients speak
// them. Documents are judged as they always are. What the cache does not keep,
// among them what nobody signed, is asked for again.
//
// It is the last to look at a request's extensions, and lets go of them: a
// subscription would keep them.
type persisted struct{ cache *documentCache }

var _ graphql.OperationParameterMutator = persisted{}

func (persisted) ExtensionName() string { return "Persisted" }

func (persisted) Validate(graphql.ExecutableSchema) error { return nil }

func (p persisted) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	given, asked := params.Extensions["persistedQuery"]
	params.Extensions = nil
	if !asked || given == nil {
		return nil
	}
	hash, err := readHash(given)
	if err != nil {
		return err
	}
	if params.Query != "" {
		if sha256.Sum256([]byte(params.Query)) != hash {
			return badHash("sha256Hash", "is not the hash of the query")
		}
		return nil
	}
	text, ok := p.cache.textOf(hash)
	if !ok {
		return &gqlerror.Error{
			Message:    messagePersistedQueryNotFound,
			Extensions: map[string]any{"code": codePersistedQueryNotFound},
		}
	}
	params.Query = text
	return nil
}

func readHash(given any) (hash [sha256.Size]byte, _ *gqlerror.Error) {
	fields, _ := given.(map[string]any)
	if version, _ := fields["version"].(json.Number); version != "1" {
		return hash, badHash("version", "must be 1")
	}
	text, _ := fields["sha256Hash"].(string)
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != len(hash) {
		return hash, badHash("sha256Hash", "must be a SHA-256 in hex")
	}
	return [sha256.Size]byte(sum), nil
}

func badHash(name, reason string) *gqlerror.Error {
	field := "extensions.persistedQuery." + name
	return &gqlerror.Error{
		Message:    field + ": " + reason,
		Extensions: map[string]any{"code": codeBadUserInput, "field": field},
	}
}
