#!/usr/bin/env bash
# Fails when the tests cover less of synckit than is promised.
#
#   scripts/check-coverage.sh [percent, default 90 [flags of go test, such as -race]]
set -euo pipefail
cd "$(dirname "$0")/.."
least=${1:-90}
flags=("${@:2}")
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

# The conformance suites are tests themselves; those of one package run code of another.
packages=$(go list ./synckit/... | grep -vE '/(storagetest|transporttest|convergence|compat|synckitpb|synckitpbconnect)$' | paste -sd,)
go test -timeout 40m "${flags[@]}" -coverprofile "$profile" -coverpkg "$packages" ./synckit/... | sed "s/ of statements in .*//"
total=$(go tool cover -func "$profile" | awk '/^total:/ { sub("%", "", $3); print $3 }')
echo "coverage: $total % of synckit"
if awk -v total="$total" -v least="$least" 'BEGIN { exit !(total < least) }'; then
  echo "coverage: below $least %" >&2
  exit 1
fi
