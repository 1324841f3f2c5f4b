#!/usr/bin/env bash
# What the arithmetic of auth/recovery is trusted for, beyond its ordinary tests:
# every branch covered, other machines, deliberate faults caught, and millions of
# answers compared with decred's. Without the race detector, which slows
# arithmetic many times and has nothing to find in it. Without limits of the clock,
# too: `make verify` gives it only the time that other tests leave.
#
#   scripts/verify-recovery.sh [compared one by one, default 300000] [by symmetry, default 10000000]
set -euo pipefail
cd "$(dirname "$0")/.."
inputs=${1:-300000}
symmetric=${2:-10000000}
package=./auth/recovery
step() { printf 'recovery: %s (%s)\n' "$1" "$(date +%T)"; }

step 'every branch is covered'
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
go test -timeout 0 -coverprofile "$profile" "$package" -inputs 1000
if grep ' 0$' "$profile"; then
  echo 'recovery: these branches are not covered' >&2
  exit 1
fi

step '386, with 32-bit words'
GOARCH=386 CGO_ENABLED=0 go test -timeout 0 "$package" -inputs 3000

step 'arm64'
if [ "$(go env GOHOSTARCH)" = arm64 ]; then
  go test -timeout 0 "$package" -inputs 500 -symmetric 480
elif command -v qemu-aarch64 >/dev/null; then
  GOARCH=arm64 CGO_ENABLED=0 go test -timeout 0 -exec qemu-aarch64 "$package" -inputs 500 -symmetric 480
else
  echo 'recovery: qemu-aarch64 is missing (Debian: qemu-user)' >&2
  exit 1
fi

step 'deliberate faults are caught'
go test -tags verify -run '^TestFaults$' -timeout 0 "$package"

step "$inputs answers are decred's, and $symmetric derived from decred's"
go test -run '^TestAgainstDecred' -v -timeout 0 "$package" -inputs "$inputs" -symmetric "$symmetric"
