package httptransport

import (
	"cmp"
	"context"
	"time"

	"syncline/synckit"
)

// VersionParser reads a version's text.
type VersionParser func(ctx context.Context, s string) (synckit.Version, error)

// ClientOptions bound what a client sends and takes. The zero value of each is
// its default.
type ClientOptions struct {
	// CompressAbove is the size of a body, in bytes, above which it is sent as
	// gzip; 0: 1 KiB; below 0: never.
	CompressAbove int
	// MaxRequestBytes bounds a push's JSON before compression; a larger push is
	// split between events; 0: 2 MiB.
	MaxRequestBytes int
	// MaxRequestEvents bounds the events of one request; 0: 500.
	MaxRequestEvents int
	// MaxResponseBytes bounds an answer as it is sent; 0: 16 MiB.
	MaxResponseBytes int64
	// MaxDecompressedBytes bounds an answer when it is decompressed; 0: 32 MiB.
	MaxDecompressedBytes int64
	// Timeout bounds one request; 0: 30 s.
	Timeout time.Duration
	// LiveWait is how long a live request waits for news at most; 0: 25 s. It is
	// no more than half of the HTTP client's Timeout.
	LiveWait time.Duration
}

func (o *ClientOptions) withDefaults() ClientOptions {
	var all ClientOptions
	if o != nil {
		all = *o
	}
	all.CompressAbove = cmp.Or(all.CompressAbove, defaultCompressAbove)
	all.MaxRequestBytes = cmp.Or(all.MaxRequestBytes, 2<<20)
	all.MaxRequestEvents = cmp.Or(all.MaxRequestEvents, 500)
	all.MaxResponseBytes = cmp.Or(all.MaxResponseBytes, 16<<20)
	all.MaxDecompressedBytes = cmp.Or(all.MaxDecompressedBytes, 32<<20)
	all.Timeout = cmp.Or(all.Timeout, 30*time.Second)
	all.LiveWait = cmp.Or(all.LiveWait, 25*time.Second)
	return all
}

// ServerOptions bound what a handler takes and holds. The zero value of each is
// its default.
type ServerOptions struct {
	// CompressAbove is the size of an answer, in bytes, above which it is sent as
	// gzip to who accepts that; 0: 1 KiB; below 0: never.
	CompressAbove int
	// MaxRequestBytes bounds a body as it is sent; 0: 4 MiB.
	MaxRequestBytes int64
	// MaxDecompressedBytes bounds a body when it is decompressed; 0: 16 MiB.
	MaxDecompressedBytes int64
	// MaxEvents bounds the events of one push, and of one page; 0: 1000.
	MaxEvents int
	// MaxConcurrent is how many requests may hold a body or a page in memory at
	// once; others wait their turn; 0: 128.
	MaxConcurrent int
	// RequestTimeout bounds how long a request may take to arrive, to be served,
	// and its answer to be taken, each; 0: 30 s.
	RequestTimeout time.Duration
	// MaxWait bounds how long a live request may wait for news; 0: 60 s.
	MaxWait time.Duration
}

const defaultCompressAbove = 1 << 10

func (o *ServerOptions) withDefaults() ServerOptions {
	var all ServerOptions
	if o != nil {
		all = *o
	}
	all.CompressAbove = cmp.Or(all.CompressAbove, defaultCompressAbove)
	all.MaxRequestBytes = cmp.Or(all.MaxRequestBytes, 4<<20)
	all.MaxDecompressedBytes = cmp.Or(all.MaxDecompressedBytes, 16<<20)
	all.MaxEvents = cmp.Or(all.MaxEvents, 1000)
	all.MaxConcurrent = cmp.Or(all.MaxConcurrent, 128)
	all.RequestTimeout = cmp.Or(all.RequestTimeout, 30*time.Second)
	all.MaxWait = cmp.Or(all.MaxWait, time.Minute)
	return all
}
