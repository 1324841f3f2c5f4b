//go:build !linux

package diskspace

import "syscall"

// blockSize is the unit that free blocks are counted in.
func blockSize(stat syscall.Statfs_t) int64 { return int64(stat.Bsize) }
