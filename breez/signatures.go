package breez

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/breez/syncpb"
)

// maxSkew is how far a call's time may be from the server's, either way.
const maxSkew = 300 * time.Second

// zbase32 is z-base-32 (O'Whielacronx, "human-oriented base-32 encoding"). 65 bytes
// have 104 characters and leave no bits over.
var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// The texts that clients sign. Some are ambiguous, and none names the call or the
// server: docs/security.md says what that allows.

func setRecordText(r *syncpb.SetRecordRequest) string {
	return fmt.Sprintf("%s-%s-%d-%s-%d", r.GetRecord().GetId(), hex.EncodeToString(r.GetRecord().GetData()), r.GetRecord().GetRevision(), r.GetRecord().GetSchemaVersion(), r.GetRequestTime())
}

func listChangesText(r *syncpb.ListChangesRequest) string {
	return fmt.Sprintf("%d-%d", r.GetSinceRevision(), r.GetRequestTime())
}

func listenChangesText(r *syncpb.ListenChangesRequest) string {
	return fmt.Sprint(r.GetRequestTime())
}

func setLockText(r *syncpb.SetLockRequest) string {
	return fmt.Sprintf("%s-%s-%t-%t-%d", r.GetLockName(), r.GetInstanceId(), r.GetAcquire(), r.GetExclusive(), r.GetRequestTime())
}

func getLockText(r *syncpb.GetLockRequest) string {
	return fmt.Sprintf("%s-%d", r.GetLockName(), r.GetRequestTime())
}

// digest is what is signed of a text.
func digest(text string) [32]byte {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	return sha256.Sum256(first[:])
}

var errSignature = errors.New("invalid signature")

// recoverKey is the key that made a signature of a text.
func (s *Service) recoverKey(text, signature string) (signing.PublicKey, error) {
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
	key, err := s.Recover(digest(text), compact)
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
// and limits. The context that it answers has the principal.
func (s *Service) verify(ctx context.Context, header http.Header, r signed, text string, kind ast.Operation, cost int) (context.Context, auth.Principal, error) {
	at := time.Unix(int64(r.GetRequestTime()), 0)
	if skew := s.Now().Sub(at); skew > maxSkew || skew < -maxSkew {
		return ctx, auth.Principal{}, failed(connect.CodeInvalidArgument, string(auth.CodeSignatureExpired), "request time too far from server time")
	}
	p, err := s.Verifier.Admit(ctx, strings.Join(header.Values("Authorization"), ", "), func() (signing.PublicKey, error) {
		return s.recoverKey(text, r.GetSignature())
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
