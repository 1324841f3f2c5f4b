package breez

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/breez/syncpb"
)

// maxSkew is how far a call's time may be from the server's, either way, as the protocol of Breez data-sync has it.
const maxSkew = 300 * time.Second

// zbase32 is z-base-32 (O'Whielacronx, "human-oriented base-32 encoding"). 65 bytes
// have 104 characters and leave no bits over.
var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// The texts that clients sign, appended. Some are ambiguous, and none names the call or the
// server: docs/security.md says what that allows.

func setRecordText(b []byte, r *syncpb.SetRecordRequest) []byte {
	b = append(append(b, r.GetRecord().GetId()...), '-')
	b = append(hex.AppendEncode(b, r.GetRecord().GetData()), '-')
	b = append(strconv.AppendUint(b, r.GetRecord().GetRevision(), 10), '-')
	b = append(append(b, r.GetRecord().GetSchemaVersion()...), '-')
	return appendTime(b, r)
}

func listChangesText(b []byte, r *syncpb.ListChangesRequest) []byte {
	return appendTime(append(strconv.AppendUint(b, r.GetSinceRevision(), 10), '-'), r)
}

func listenChangesText(b []byte, r *syncpb.ListenChangesRequest) []byte { return appendTime(b, r) }

func setLockText(b []byte, r *syncpb.SetLockRequest) []byte {
	b = append(append(b, r.GetLockName()...), '-')
	b = append(append(b, r.GetInstanceId()...), '-')
	b = append(strconv.AppendBool(b, r.GetAcquire()), '-')
	b = append(strconv.AppendBool(b, r.GetExclusive()), '-')
	return appendTime(b, r)
}

func getLockText(b []byte, r *syncpb.GetLockRequest) []byte {
	return appendTime(append(append(b, r.GetLockName()...), '-'), r)
}

func appendTime(b []byte, r signed) []byte {
	return strconv.AppendUint(b, uint64(r.GetRequestTime()), 10)
}

// texts are buffers for them.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// digestOf is what is signed of a call whose text is appended.
func digestOf[R signed](text func([]byte, R) []byte, r R) [32]byte {
	room := texts.Get().(*[]byte)
	defer texts.Put(room)
	*room = text(append((*room)[:0], "realtimesync:"...), r)
	first := sha256.Sum256(*room)
	return sha256.Sum256(first[:])
}

var errSignature = errors.New("invalid signature")

// recoverKey is the key that made a signature of a digest.
func (s *Service) recoverKey(digest [32]byte, signature string) (signing.PublicKey, error) {
	var compact [65]byte
	if len(signature) != zbase32.EncodedLen(len(compact)) {
		return signing.PublicKey{}, errSignature
	}
	if strings.ContainsAny(signature, "\r\n") { // which the decoder skips
		return signing.PublicKey{}, errSignature
	}
	if _, err := zbase32.Decode(compact[:], []byte(signature)); err != nil {
		return signing.PublicKey{}, errSignature
	}
	if compact[0] < 31 || compact[0] > 34 { // of a compressed key
		return signing.PublicKey{}, errSignature
	}
	key, err := s.Recover(digest, compact)
	if err != nil {
		return signing.PublicKey{}, errSignature
	}
	return key, nil
}

// signed is a request that carries its time and signature.
type signed interface {
	GetRequestTime() uint32
	GetSignature() string
}

// verify says who makes a call, and that he may: its time, certificate, signature
// and limits. text appends what is signed of it. The context that it answers has the principal.
func verify[R signed](ctx context.Context, s *Service, header http.Header, r R, text func([]byte, R) []byte, kind ast.Operation, cost int) (context.Context, auth.Principal, error) {
	at := time.Unix(int64(r.GetRequestTime()), 0)
	if skew := s.Now().Sub(at); skew > maxSkew || skew < -maxSkew {
		return ctx, auth.Principal{}, failed(connect.CodeInvalidArgument, string(auth.CodeSignatureExpired), "request time too far from server time")
	}
	p, err := s.Verifier.Admit(ctx, strings.Join(header.Values("Authorization"), ", "), func() (signing.PublicKey, error) {
		return s.recoverKey(digestOf(text, r), r.GetSignature())
	})
	if errors.Is(err, errSignature) {
		return ctx, p, failed(connect.CodeUnauthenticated, string(auth.CodeUnauthenticated), errSignature.Error())
	}
	if err != nil {
		return ctx, p, err
	}
	callOf(ctx).principal = p
	ctx = auth.NewContext(ctx, p)
	if err := s.Limiter.Admit(ctx); err != nil {
		return ctx, p, err
	}
	return ctx, p, s.Limiter.Charge(ctx, kind, cost)
}
