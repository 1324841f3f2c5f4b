package record_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"syncline/pubsub"
	"syncline/record"
)

// scriptedStore answers what a test tells it, and notes the order of events.
type scriptedStore struct {
	record.Store
	result   record.Result
	err      error
	snapshot record.Snapshot
	span     record.Span
	events   *[]string
}

func (s *scriptedStore) Write(context.Context, record.Owner, record.Request) (record.Result, error) {
	*s.events = append(*s.events, "commit")
	return s.result, s.err
}

func (s *scriptedStore) Changes(_ context.Context, _ record.Owner, span record.Span) (record.Snapshot, error) {
	s.span = span
	return s.snapshot, s.err
}

type scriptedPublisher struct {
	err    error
	hints  []pubsub.Hint
	ctxErr error
	events *[]string
}

func (p *scriptedPublisher) Publish(ctx context.Context, hint pubsub.Hint) error {
	*p.events = append(*p.events, "publish")
	p.hints = append(p.hints, hint)
	p.ctxErr = ctx.Err()
	return p.err
}

var (
	owner   = record.Owner{0: 2, 32: 7}
	request = record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "a"}}}
)

func TestServicePublishesAfterCommitWhatTookEffect(t *testing.T) {
	t.Parallel()
	lost := &record.UnavailableError{OutcomeUnknown: true, Err: errors.New("lost")}
	tests := []struct {
		name    string
		request record.Request
		result  record.Result
		err     error
		events  []string
	}{
		{"accepted", request, record.Result{Status: record.Success, Head: 9}, nil, []string{"commit", "publish"}},
		{"conflict", request, record.Result{Status: record.Conflict}, nil, []string{"commit"}},
		{"replay", request, record.Result{Status: record.Success, Replayed: true}, nil, []string{"commit"}},
		{"no change", request, record.Result{Status: record.Success}, nil, []string{"commit"}},
		{"fenced", request, record.Result{}, record.ErrFenced, []string{"commit"}},
		{"unavailable", request, record.Result{}, lost, []string{"commit"}},
		{"invalid", record.Request{Kind: record.KindBatch}, record.Result{}, nil, nil},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var events []string
			publisher := &scriptedPublisher{events: &events}
			store := &scriptedStore{result: c.result, err: c.err, events: &events}
			service := record.NewService(store, publisher, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a caller that goes away must not hold the hint back
			got, err := service.Write(ctx, owner, c.request)
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if err == nil && !reflect.DeepEqual(got, c.result) {
				t.Errorf("result %+v", got)
			}
			if !reflect.DeepEqual(events, c.events) {
				t.Errorf("events %v, want %v", events, c.events)
			}
			want := pubsub.Hint{Owner: owner, Topic: pubsub.Records, Revision: 9}
			if len(publisher.hints) > 0 && (publisher.hints[0] != want || publisher.ctxErr != nil) {
				t.Errorf("hint %+v, its context %v", publisher.hints[0], publisher.ctxErr)
			}
		})
	}
}

func TestServiceStandsByAWriteWhoseHintIsLost(t *testing.T) {
	t.Parallel()
	var (
		events []string
		log    bytes.Buffer
	)
	publisher := &scriptedPublisher{err: errors.New("broker away"), events: &events}
	store := &scriptedStore{result: record.Result{Status: record.Success, Head: 1}, events: &events}
	service := record.NewService(store, publisher, slog.New(slog.NewTextHandler(&log, nil)))
	result, err := service.Write(t.Context(), owner, request)
	if err != nil || result.Head != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if !strings.Contains(log.String(), "broker away") || strings.Contains(log.String(), owner.String()) {
		t.Errorf("the log says %q: want the error, and no more of the owner than a prefix", &log)
	}
}

func TestServiceAsksForASpan(t *testing.T) {
	t.Parallel()
	epoch := record.Epoch{5}
	var events []string
	store := &scriptedStore{events: &events, snapshot: record.Snapshot{Account: record.Account{Head: 9, Epoch: epoch}}}
	service := record.NewService(store, &scriptedPublisher{events: &events}, slog.New(slog.DiscardHandler))
	plain, err := record.ParseCursor("4")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		cursor record.Cursor
		want   record.Span
	}{
		{record.Cursor{}, record.Span{FromStart: true, Limit: 3, MaxBytes: record.MaxPageBytes}},
		{plain, record.Span{After: 4, Limit: 3, MaxBytes: record.MaxPageBytes}},
		{record.CursorAt(epoch, 4), record.Span{After: 4, Epoch: &epoch, Limit: 3, MaxBytes: record.MaxPageBytes}},
	}
	for _, c := range tests {
		page, err := service.Changes(t.Context(), owner, c.cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(store.span, c.want) {
			t.Errorf("%s: span %+v, want %+v", c.cursor, store.span, c.want)
		}
		if want := record.CursorAt(epoch, 9); page.Cursor != want {
			t.Errorf("%s: an empty page ends at %s, want the head's %s", c.cursor, page.Cursor, want)
		}
	}
}
