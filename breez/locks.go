package breez

import (
	"context"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/breez/syncpb"
	"syncline/locks"
)

// defaultTTL is that of a lock that is taken without one.
const defaultTTL = 30 * time.Second

// lockCost is what taking a lock costs of the limits.
const lockCost = 20

// SetLock implements syncpbconnect.SyncerHandler.
func (s *Service) SetLock(ctx context.Context, request *connect.Request[syncpb.SetLockRequest]) (*connect.Response[syncpb.SetLockReply], error) {
	in := request.Msg
	if err := checkLockName(in.GetLockName()); err != nil {
		return nil, s.fail(ctx, err)
	}
	instance, err := instanceOf(in.GetInstanceId())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	ctx, p, err := verify(ctx, s, request.Header(), in, setLockText, ast.Mutation, lockCost)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	ttl := defaultTTL
	if in.TtlSeconds != nil {
		if in.GetTtlSeconds() < 1 {
			return nil, s.fail(ctx, invalid("ttl_seconds must be at least 1"))
		}
		ttl = time.Duration(in.GetTtlSeconds()) * time.Second
	}
	if err := s.setLock(ctx, locks.Owner(p.Key), in, instance, ttl); err != nil {
		return nil, s.fail(ctx, err)
	}
	return answer(ctx, &syncpb.SetLockReply{}), nil
}

func (s *Service) setLock(ctx context.Context, owner locks.Owner, in *syncpb.SetLockRequest, instance string, ttl time.Duration) error {
	if !in.GetAcquire() {
		_, err := s.Locks.Release(ctx, owner, in.GetLockName(), instance)
		return err
	}
	grant, err := s.Locks.Acquire(ctx, owner, locks.Request{Name: in.GetLockName(), InstanceID: instance, Exclusive: in.GetExclusive(), TTL: ttl})
	if err == nil && !grant.Acquired {
		return failed(connect.CodeFailedPrecondition, outcomeHeld, "lock held by another instance")
	}
	return err
}

// GetLock implements syncpbconnect.SyncerHandler. A lock that the caller holds is
// held, too.
func (s *Service) GetLock(ctx context.Context, request *connect.Request[syncpb.GetLockRequest]) (*connect.Response[syncpb.GetLockReply], error) {
	in := request.Msg
	if err := checkLockName(in.GetLockName()); err != nil {
		return nil, s.fail(ctx, err)
	}
	ctx, p, err := verify(ctx, s, request.Header(), in, getLockText, ast.Query, visitCost)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	lock, err := s.Locks.Read(ctx, locks.Owner(p.Key), in.GetLockName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return answer(ctx, &syncpb.GetLockReply{Locked: lock.Locked()}), nil
}

// instanceOf is the one form of an instance's UUID, which clients send plain, without hyphens, as a
// URN or in braces.
func instanceOf(text string) (string, error) {
	const braced = len("{}") + 36
	id, err := uuid.Parse(text)
	if err != nil || len(text) == braced && (text[0] != '{' || text[braced-1] != '}') { // of which the library takes any two
		return "", invalid("instance_id must be a valid UUID")
	}
	return id.String(), nil
}

func checkLockName(name string) error {
	switch {
	case name == "":
		return invalid("lock_name must not be empty")
	case len(name) > locks.MaxNameBytes:
		return invalid("lock_name exceeds maximum length of %d", locks.MaxNameBytes)
	}
	return nil
}
