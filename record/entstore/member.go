package entstore

import (
	"context"

	"syncline/record"
)

// member is one write on its way through a group.
type member struct {
	owner   record.Owner
	request record.Request
	bytes   int
	ended   func() error  // the error of its request's context, heeded until its group begins
	done    chan struct{} // closed when result and err stand
	result  record.Result
	err     error
}

func newMember(ctx context.Context, owner record.Owner, request record.Request) *member {
	m := &member{owner: owner, request: request, ended: ctx.Err, done: make(chan struct{})}
	for _, w := range request.Writes {
		m.bytes += len(w.Data)
	}
	return m
}

func (m *member) answer(result record.Result, err error) {
	m.result, m.err = result, err
	close(m.done)
}

// group is members that share a transaction. Those of one owner stand in the
// order in which they came.
type group []*member

func (g group) refuse(err error) {
	for _, m := range g {
		m.answer(record.Result{}, err)
	}
}

// line is the writes of one owner that wait, in the order in which they came.
type line struct {
	waiting []*member
	bytes   int
	inGroup bool // no two groups at a time have writes of one owner
	// held: another process has the owner's row locked. The line is left to a
	// committer that waits for it.
	held bool
}
