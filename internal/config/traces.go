package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// samplers are what OpenTelemetry names, but for those of one maker.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// settleTraces has OpenTelemetry's variables as OpenTelemetry reads them: one that is empty is not set. Where traces
// are off all that would be read are taken out: they are meant for other programs, and must not stop this one.
func settleTraces(environment map[string]string) {
	disabled, _ := strconv.ParseBool(environment["OTEL_SDK_DISABLED"]) // what is neither is refused where traces are on
	off := environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "" && environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "" ||
		environment["OTEL_TRACES_EXPORTER"] == "none" || disabled
	for _, name := range slices.Concat(Variables(), readByTheSDK(environment)) {
		if strings.HasPrefix(name, "OTEL_") && (off || environment[name] == "") {
			delete(environment, name)
		}
	}
}

// readByTheSDK has the names of those variables, sorted, that OpenTelemetry's SDK reads by itself.
func readByTheSDK(environment map[string]string) (names []string) {
	for name := range environment {
		if name == "OTEL_RESOURCE_ATTRIBUTES" || strings.HasPrefix(name, "OTEL_BSP_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TracesURL is where traces go; empty if they are off.
func (c Config) TracesURL() string {
	if c.OTelTracesEndpoint == "" && c.OTelEndpoint != "" {
		return strings.TrimSuffix(c.OTelEndpoint, "/") + "/v1/traces"
	}
	return c.OTelTracesEndpoint
}

// TraceHeaders are those of requests to the collector.
func (c Config) TraceHeaders() map[string]string {
	headers, _ := readHeaders(c.OTelHeaders) // they were checked
	return headers
}

// readHeaders reads NAME=value,NAME=value, with values as in URLs. The error does not have them, for they may be secret.
func readHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, value, ok := strings.Cut(entry, "=")
		value, err := url.PathUnescape(value)
		if !ok || !isHeaderName(name) || err != nil || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, errors.New("is not name=value,name=value with %-encoded values")
		}
		headers[name] = value
	}
	return headers, nil
}

// TraceRatio is which part of all traces a sampler by ratio takes.
func (c Config) TraceRatio() float64 {
	ratio, _ := strconv.ParseFloat(c.OTelSamplerArg, 64) // it was checked
	return ratio
}

// checkTraces checks nothing where traces are off: the variables are OpenTelemetry's, and may be meant for other
// programs in the same environment.
func (c Config) checkTraces() error {
	if c.TracesURL() == "" {
		return nil
	}
	for _, e := range []struct{ name, url string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", c.OTelEndpoint},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.OTelTracesEndpoint},
	} {
		if e.url != "" && !isHTTP(e.url) {
			return fmt.Errorf("%s: is not an http or https URL, such as http://localhost:4318", e.name)
		}
	}
	ratio, err := strconv.ParseFloat(c.OTelSamplerArg, 64)
	switch {
	case c.OTelExporter != "otlp": // nor none, with which traces are off
		return fmt.Errorf("OTEL_TRACES_EXPORTER: %q is neither otlp nor none", c.OTelExporter)
	case c.OTelProtocol != "http/protobuf":
		return fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not http/protobuf, which is all that is spoken here: collectors have port 4318 for it", c.OTelProtocol)
	case !slices.Contains(samplers, c.OTelSampler):
		return fmt.Errorf("OTEL_TRACES_SAMPLER: %q is none of %s", c.OTelSampler, strings.Join(samplers, ", "))
	case err != nil || !(ratio >= 0 && ratio <= 1): // NaN is neither
		return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not a number from 0 to 1", c.OTelSamplerArg)
	}
	if _, err := readHeaders(c.OTelHeaders); err != nil {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	return nil
}
