package locker

import (
	"context"
	"time"

	"syncline/locks"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// TakeToken takes the owner's next token, for a Locker that keeps its holds
// elsewhere. Errors are those of a locks.Locker.
func (l *Locker) TakeToken(ctx context.Context, owner locks.Owner) (token locks.Token, err error) {
	plan := commit.Plan{Owner: owner, Rows: 1, Reads: []commit.Key{row.PresentEpoch, row.AccountOf(owner)}}
	err = l.do(ctx, plan, func(rows *commit.Rows) error {
		account, _ := rows.Get(row.AccountOf(owner)).(row.Account)
		token = locks.Token(nextToken(rows, &account))
		rows.Put(row.AccountOf(owner), account)
		return nil
	})
	return token, err
}

// RaiseFence brings a lock's fence to a token, unless it stands there or above,
// and answers where it stands. It is for a Locker that keeps its holds elsewhere.
// A token of a fence that was purged or erased raises nothing: the answer is above
// it. Errors are those of a locks.Locker.
func (l *Locker) RaiseFence(ctx context.Context, key locks.Key, token locks.Token) (stands locks.Token, err error) {
	fenceKey := row.FenceOf(key.Owner, key.Name)
	found, err := l.read(ctx, []commit.Key{fenceKey})
	fence, _ := found[fenceKey].(row.Fence)
	if err == nil && locks.Token(fence.Token) >= token && usedLately(fence, l.now()) { // a renewal's, mostly
		return locks.Token(fence.Token), nil
	}
	plan := commit.Plan{Owner: key.Owner, Rows: 2, Reads: []commit.Key{row.AccountOf(key.Owner), fenceKey, row.PresentTime}}
	err = l.do(ctx, plan, func(rows *commit.Rows) error {
		account, _ := rows.Get(row.AccountOf(key.Owner)).(row.Account)
		before := account
		stands = locks.Token(raise(rows, key, &account, int64(token), l.present(rows.Get(row.PresentTime))))
		return l.keep(rows, key.Owner, before, account)
	})
	return stands, err
}

// raise brings a lock's fence to a granted token, unless it stands there or above,
// and tells where it stands. The account counts fences. One that is used again is kept
// for longer. Where there is none any more, a token that it may have stood at is not
// good again.
func raise(rows *commit.Rows, key locks.Key, account *row.Account, token int64, now time.Time) (stands int64) {
	fence, exists := rows.Get(row.FenceOf(key.Owner, key.Name)).(row.Fence)
	switch {
	case !exists && account.Forgotten > 0 && token <= account.Forgotten:
		return account.Forgotten + 1
	case exists && fence.Token >= token && usedLately(fence, now):
		return fence.Token
	case !exists:
		account.Fences++
	}
	fence = row.Fence{Token: max(fence.Token, token), UsedAt: now.UnixMicro()}
	rows.Put(row.FenceOf(key.Owner, key.Name), fence)
	return fence.Token
}

func usedLately(fence row.Fence, now time.Time) bool {
	return now.Sub(time.UnixMicro(fence.UsedAt)) <= row.FenceUse
}

// nextToken takes the owner's next token, above those of any history that a
// restore cut off.
func nextToken(rows *commit.Rows, account *row.Account) int64 {
	epoch := rows.Get(row.PresentEpoch).(row.Epoch)
	account.FenceToken = max(account.FenceToken, epoch.Base) + 1
	return account.FenceToken
}
