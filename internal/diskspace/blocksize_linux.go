package diskspace

import "syscall"

// blockSize is the unit that free blocks are counted in. Statfs_t.Bsize is another
// one: how much is best read or written at once, on network file systems far more.
func blockSize(stat syscall.Statfs_t) int64 {
	if stat.Frsize > 0 {
		return int64(stat.Frsize) //nolint:unconvert // 32 bits on some
	}
	return int64(stat.Bsize) //nolint:unconvert // kernels that do not tell
}
