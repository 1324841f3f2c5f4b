#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh [duration of each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:-20s}

grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  package=./$(dirname "${file#./}")
  grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | awk '{print $2}' | while read -r target; do
    echo "fuzz $package $target for $duration"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null
  done
done
