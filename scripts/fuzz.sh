#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh [duration of each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:-20s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A target that is slow when its time is up may end with "context deadline
# exceeded" and nothing else. That is the fuzzer's own end, not a finding: a
# finding names the input that fails, and writes it to testdata.
fuzz() {
  local package=$1 target=$2
  echo "fuzz $package $target for $duration"
  # Making an input smaller may take a second: with goroutines beside it, an input
  # does not always reach the same code, and the fuzzer would try for a minute.
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 1s "$package" >"$log" 2>&1 </dev/null && return
  if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
    echo '  its time ran out in the middle of an input'
    return
  fi
  cat "$log"
  return 1
}

targets=$(grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' --exclude-dir=node_modules . | sort)
while IFS=: read -r file declaration; do
  fuzz "$(dirname "$file")" "${declaration#func }"
done <<<"$targets"
