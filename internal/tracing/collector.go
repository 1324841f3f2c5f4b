package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	requestTime = 10 * time.Second // OTLP's default
	firstRetry  = time.Second
	maxRetry    = 5 * time.Second
	maxRetries  = 3
	maxAnswer   = 64 << 10
)

// collector sends batches of spans, by OTLP's protocol over HTTP with its binary encoding. The exporter for it that
// OpenTelemetry publishes brings a whole gRPC with it.
type collector struct {
	url     string
	headers map[string]string
	http    http.Client
	log     *slog.Logger
	failing atomic.Bool
}

func newCollector(cfg Config, log *slog.Logger) *collector {
	return &collector{
		url:     cfg.URL,
		headers: cfg.Headers,
		log:     log,
		http: http.Client{
			Timeout:       requestTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the headers may be secret
		},
	}
}

// Start implements otlptrace.Client.
func (c *collector) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *collector) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. It tries again what the collector could not take just now.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}) // the same on the wire as an ExportTraceServiceRequest
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	delay, again := firstRetry, true
	for attempt := 0; again; attempt++ {
		if again, err = c.upload(ctx, body); !again || attempt == maxRetries {
			break
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			again = false
		case <-timer.C:
		}
		timer.Stop()
		delay = min(2*delay, maxRetry)
	}
	if failing := err != nil; c.failing.Swap(failing) != failing {
		if failing {
			c.log.Warn("traces are lost: the collector does not take them", "error", err)
		} else {
			c.log.Info("the collector takes traces again")
		}
	}
	return err
}

func (c *collector) upload(ctx context.Context, body []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("send spans: %w", err)
	}
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.http.Do(r)
	if err != nil {
		return true, fmt.Errorf("send spans: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return false, fmt.Errorf("read the collector's answer: %w", err) // it may have taken them
	}
	if answer.StatusCode/100 != 2 {
		passing := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
		return slices.Contains(passing, answer.StatusCode), fmt.Errorf("the collector answers %s", answer.Status)
	}
	return false, nil
}
