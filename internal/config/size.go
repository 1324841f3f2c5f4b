package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. As text it may have a unit: KiB, MiB, GiB or TiB.
type Size int64

// UnmarshalText reads 1048576 and 1MiB alike.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if before, ok := strings.CutSuffix(number, unit); ok {
			number, factor = strings.TrimSpace(before), 1<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<53)/factor {
		return fmt.Errorf("%q is not a number of bytes such as 65536, 64KiB or 256MiB", text)
	}
	*s = Size(n * factor)
	return nil
}
