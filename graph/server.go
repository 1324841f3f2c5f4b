// Package graph is the API: resolvers of a few lines over record, feed and
// locks, the scalars, what a document may cost, and the one place where errors
// become what clients see.
//
// schema.graphql is the contract; gqlgen makes the packages generated and model
// from it. The transports are in the package transport.
package graph

import (
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"syncline/feed"
	"syncline/graph/generated"
	"syncline/graph/model"
	"syncline/locks"
	"syncline/record"
)

// Config is what the API stands on. All of it is required, save Introspection and
// what follows it.
type Config struct {
	Records *record.Service
	Feed    *feed.Feed
	Locks   *locks.Service
	Log     *slog.Logger
	// Introspection lets clients ask for the schema. Those who sign cannot
	// either when it is off.
	Introspection bool
	// Now is the clock that signatures are judged by, which the limits query tells;
	// time.Now if nil.
	Now func() time.Time
	// Limiter keeps clients within what they may take. Nil: everybody may take all.
	Limiter Limiter
	// Rates is what the limits query says that each key may take. Nil: there are no limits.
	Rates *model.Rates
	// Quota is what the API says that each owner may keep without a quota of its own.
	Quota record.Quota
	// TombstoneRetention and MutationRetention are for how long deletes and
	// mutation ids are remembered; 0 is for ever.
	TombstoneRetention, MutationRetention time.Duration
}

// NewServer makes the API, without transports. It takes the Principal from the
// context of each request (auth.NewContext), and fills in its Report
// (WithReport), if there is one.
func NewServer(config Config) *handler.Server {
	now := config.Now
	if now == nil {
		now = time.Now
	}
	schema := schema()
	srv := handler.New(generated.NewExecutableSchema(generated.Config{
		Schema:    schema,
		Resolvers: &resolver{records: config.Records, feed: config.Feed, locks: config.Locks, limits: config.limits(), now: now, quota: config.Quota},
	}))
	errs := presenter{log: config.Log}
	srv.SetErrorPresenter(errs.present)
	srv.SetRecoverFunc(errs.recover)
	srv.SetParserTokenLimit(maxTokens)
	srv.SetValidationRulesFn(validationRules)
	cache := newDocumentCache()
	srv.SetQueryCache(cache)
	if config.Limiter == nil {
		config.Limiter = unlimited{}
	}
	srv.Use(admission{config.Limiter})
	srv.Use(persisted{cache})
	srv.Use(shape{cache, schema})
	srv.Use(reporter{})
	srv.Use(access{introspection: config.Introspection})
	srv.Use(allowances{})
	srv.Use(limit{config.Limiter, config.Records})
	return srv
}

// validationRules compare unknown names with known ones for a few fields only:
// with long names, of which a document may have many, that takes most of a second.
func validationRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.ReplaceRule(rules.FieldsOnCorrectTypeRule.Name, knownFields)
	r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
	return r
}

// Names that are like an unknown field's are looked for so often in a document,
// and if it has at most so many bytes.
const (
	maxSuggestions  = 3
	maxComparedName = 40
)

// suggestion begins what knownFields adds to a message.
const suggestion = " Did you mean "

func knownFields(observers *core.Events, addError core.AddErrFunc) {
	left := maxSuggestions
	observers.OnField(func(_ *core.Walker, field *ast.Field) {
		if field.ObjectDefinition == nil || field.Definition != nil {
			return
		}
		message := fmt.Sprintf("Cannot query field %q on type %q.", field.Name, field.ObjectDefinition.Name)
		if left > 0 && len(field.Name) <= maxComparedName {
			left--
			var names []string
			for _, known := range field.ObjectDefinition.Fields {
				names = append(names, known.Name)
			}
			if alike := core.SuggestionList(field.Name, names); len(alike) > 0 {
				message += suggestion + core.QuotedOrList(alike...) + "?"
			}
		}
		addError(core.Message("%s", message), core.At(field.Position))
	})
}

// schema is gqlgen's without @defer: every answer here comes whole.
func schema() *ast.Schema {
	s := *generated.NewExecutableSchema(generated.Config{}).Schema()
	s.Directives = maps.Clone(s.Directives)
	delete(s.Directives, "defer")
	return &s
}
