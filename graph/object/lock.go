package object

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"syncline/locks"
	"syncline/record"
)

// Lock is a locks.Lock that writes itself: it may have a hundred holders.
type Lock struct {
	Name      string
	Locked    bool
	Exclusive bool
	Holders   []LockHolder
}

// LockHolder is one of its holders.
type LockHolder struct {
	InstanceID string
	Token      record.FenceToken
	ExpiresAt  time.Time
}

// NewLock makes a lock of the same state.
func NewLock(lock locks.Lock) *Lock {
	holders := make([]LockHolder, len(lock.Holders))
	for i, h := range lock.Holders {
		holders[i] = LockHolder{InstanceID: h.InstanceID, Token: record.FenceToken(h.Token), ExpiresAt: h.ExpiresAt}
	}
	return &Lock{Name: lock.Name, Locked: lock.Locked(), Exclusive: lock.Exclusive, Holders: holders}
}

// MarshalGQLContext writes the fields that were selected.
func (l Lock) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	return newAnswer(ctx, w).write(overhead*(1+len(l.Holders)), l.append)
}

// UnmarshalGQLContext is never called.
func (Lock) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

func (l *Lock) append(b []byte, a *answer, set ast.SelectionSet) []byte {
	return fieldsOf(a.op, set, "Lock").appendObject(b, "Lock", func(b []byte, f *field) []byte {
		switch f.name {
		case "name":
			return appendText(b, l.Name)
		case "locked":
			return strconv.AppendBool(b, l.Locked)
		case "exclusive":
			return strconv.AppendBool(b, l.Exclusive)
		case "holders":
			return appendHolders(b, fieldsOf(a.op, f.set, "LockHolder"), l.Holders)
		}
		panic("object: Lock has no field " + f.name)
	})
}

func appendHolders(b []byte, selected fields, holders []LockHolder) []byte {
	b = append(b, '[')
	for i := range holders {
		if i > 0 {
			b = append(b, ',')
		}
		b = selected.appendObject(b, "LockHolder", func(b []byte, f *field) []byte {
			switch h := &holders[i]; f.name {
			case "instanceId":
				return appendText(b, h.InstanceID)
			case "token":
				return strconv.AppendInt(b, int64(h.Token), 10)
			case "expiresAt":
				return appendTime(b, h.ExpiresAt)
			}
			panic("object: LockHolder has no field " + f.name)
		})
	}
	return append(b, ']')
}
