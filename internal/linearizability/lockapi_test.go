package linearizability

import (
	"context"
	"time"
)

// lock is what the clients of a history of a lock call.
type lock interface {
	acquire(ctx context.Context, in acquireInput) (acquireOutput, error)
	release(ctx context.Context, in releaseInput) (lockView, error)
	look(ctx context.Context) (lockView, error)
	// fenced sets a new record under the lock's fence. It answers the codes FENCED
	// and BAD_USER_INPUT as a status.
	fenced(ctx context.Context, id string, in fencedInput) (string, error)
}

var _ lock = (*owner)(nil)

const lockName = "the lock"

// wireLock is a lock as the API tells it.
type wireLock struct {
	Locked, Exclusive bool
	Holders           []struct {
		InstanceID string
		Token      int64
		ExpiresAt  time.Time
	}
}

func (l wireLock) view() lockView {
	v := lockView{exclusive: l.Exclusive}
	for _, h := range l.Holders {
		v.holders = append(v.holders, holder{instance: h.InstanceID, token: h.Token, expiresAt: h.ExpiresAt.UnixMicro()})
	}
	return v
}

const lockFields = ` { locked exclusive holders { instanceId token expiresAt } } `

func (o *owner) acquire(ctx context.Context, in acquireInput) (acquireOutput, error) {
	var answer struct {
		SetLock struct {
			Status    string
			Renewed   bool
			Token     int64
			ExpiresAt time.Time
			Lock      wireLock
		}
	}
	input := map[string]any{"name": lockName, "instanceId": in.instance, "exclusive": in.exclusive, "ttlSeconds": int(in.ttl / time.Second)}
	if in.renews != 0 {
		input["token"] = in.renews
	}
	err := o.call(ctx, `mutation($input: SetLockInput!) { setLock(input: $input) { status renewed token expiresAt lock`+lockFields+`} }`,
		map[string]any{"input": input}, &answer)
	if err != nil {
		return acquireOutput{}, err
	}
	a := answer.SetLock
	return acquireOutput{
		status: a.Status, renewed: a.Renewed, lock: a.Lock.view(),
		holder: holder{instance: in.instance, token: a.Token, expiresAt: a.ExpiresAt.UnixMicro()},
	}, nil
}

func (o *owner) release(ctx context.Context, in releaseInput) (lockView, error) {
	var answer struct{ SetLock struct{ Lock wireLock } }
	input := map[string]any{"name": lockName, "instanceId": in.instance, "acquire": false}
	err := o.call(ctx, `mutation($input: SetLockInput!) { setLock(input: $input) { lock`+lockFields+`} }`, map[string]any{"input": input}, &answer)
	return answer.SetLock.Lock.view(), err
}

func (o *owner) look(ctx context.Context) (lockView, error) {
	var answer struct{ Lock wireLock }
	err := o.call(ctx, `query($name: String!) { lock(name: $name)`+lockFields+`}`, map[string]any{"name": lockName}, &answer)
	return answer.Lock.view(), err
}

func (o *owner) fenced(ctx context.Context, id string, in fencedInput) (string, error) {
	var answer struct{ Out struct{ Status string } }
	input := map[string]any{"id": id, "data": "", "fence": map[string]any{"lock": lockName, "token": in.token}}
	err := o.call(ctx, `mutation($input: SetRecordInput!) { out: setRecord(input: $input) { status } }`, map[string]any{"input": input}, &answer)
	if code := codeOf(err); code == fenced || code == neverGranted {
		return code, nil
	}
	return answer.Out.Status, err
}
