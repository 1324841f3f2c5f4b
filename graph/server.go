// Package graph is the API: resolvers of a few lines over record, feed and
// locks, the scalars, what a document may cost, and the one place where errors
// become what clients see.
//
// schema.graphql is the contract; gqlgen makes the packages generated and model
// from it. The transports are in the package transport.
package graph

import (
	"log/slog"
	"maps"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"syncline/feed"
	"syncline/graph/generated"
	"syncline/locks"
	"syncline/record"
)

// Config is what the API stands on. All of it is required, save Introspection.
type Config struct {
	Records *record.Service
	Feed    *feed.Feed
	Locks   *locks.Service
	Log     *slog.Logger
	// Introspection lets clients ask for the schema. Those who sign cannot
	// either when it is off.
	Introspection bool
}

// NewServer makes the API, without transports. It takes the Principal from the
// context of each request (auth.NewContext), and fills in its Report
// (WithReport), if there is one.
func NewServer(config Config) *handler.Server {
	srv := handler.New(generated.NewExecutableSchema(generated.Config{
		Schema:    schema(),
		Resolvers: &resolver{records: config.Records, feed: config.Feed, locks: config.Locks},
	}))
	errs := presenter{log: config.Log}
	srv.SetErrorPresenter(errs.present)
	srv.SetRecoverFunc(errs.recover)
	srv.SetParserTokenLimit(maxTokens)
	srv.SetValidationRulesFn(validationRules)
	cache := newDocumentCache()
	srv.SetQueryCache(cache)
	srv.Use(shape{cache})
	srv.Use(reporter{})
	srv.Use(access{introspection: config.Introspection})
	srv.Use(limit{})
	return srv
}

// validationRules do not look for names of types that are like an unknown one:
// with long names, of which a document may have many, that takes most of a second.
func validationRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	return r
}

// schema is gqlgen's without @defer: every answer here comes whole.
func schema() *ast.Schema {
	s := *generated.NewExecutableSchema(generated.Config{}).Schema()
	s.Directives = maps.Clone(s.Directives)
	delete(s.Directives, "defer")
	return &s
}
