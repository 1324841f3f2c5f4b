package config

import "strings"

// commonHeaders are what browser libraries send beside a GraphQL request of
// their own accord: without them, one that is switched on for a whole app makes
// each of its requests fail.
var commonHeaders = []string{
	// Which client and operation it is.
	"Apollo-Require-Preflight", "GraphQL-Require-Preflight",
	"Apollographql-Client-Name", "Apollographql-Client-Version", "GraphQL-Client-Name", "GraphQL-Client-Version",
	"X-Apollo-Operation-Name", "X-Apollo-Operation-Id", "X-Apollo-Operation-Type",
	"X-Client-Name", "X-Client-Version", "X-Requested-With",

	// Which request it is: W3C Trace Context and Baggage, and what came before them.
	"Traceparent", "Tracestate", "Baggage",
	"X-Request-Id", "X-Correlation-Id", "Request-Id", "Request-Context", "Correlation-Context",
	"B3", "X-B3-TraceId", "X-B3-SpanId", "X-B3-ParentSpanId", "X-B3-Sampled", "X-B3-Flags",
	"Sentry-Trace", "Newrelic", "Uber-Trace-Id", "Elastic-Apm-Traceparent", "X-Amzn-Trace-Id", "X-Cloud-Trace-Context",
	"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Origin", "X-Datadog-Sampling-Priority", "X-Datadog-Tags",
}

// isHeaderName tells whether s is a token, as RFC 9110 calls it.
func isHeaderName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
