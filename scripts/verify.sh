#!/usr/bin/env bash
# The long runs of `make verify`: scripts/verify.sh [duration of each fuzz target]
#
# The proof of key recovery computes for a quarter of an hour on one core. It runs
# beside the others, at the lowest priority: their times stay what they are, and it
# takes what they leave.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}
step() { printf '\nverify: %s (%s)\n' "$1" "$(date +%T)"; }

log=$(mktemp)
set -m # a process group of its own, which can be ended whole
nice -n 19 scripts/verify-recovery.sh >"$log" 2>&1 &
set +m
recovery=$!
trap 'kill -- "-$recovery" 2>/dev/null || true; rm -f "$log"' EXIT

step 'all tests under the race detector, at full length'
SYNCLINE_VERIFY=1 go test -race -timeout 40m ./...
step 'groups of writes at full length'
SYNCLINE_VERIFY=1 go test -timeout 20m -run Groups ./storage/records
step 'hostile clients'
SYNCLINE_VERIFY=1 go test -timeout 60m ./internal/hostile
step 'benchmarks have tests, too'
go test -C bench ./...
step 'clients of Breez data-sync, as published'
npm ci --prefix web/breez --omit=optional --no-audit --no-fund --loglevel=error
npm test --prefix web/breez
SYNCLINE_VERIFY=1 go test -C breez/clients ./...
step 'coverage of synckit'
scripts/check-coverage.sh
step "every fuzz target for $fuzztime"
scripts/fuzz.sh "$fuzztime"
step 'the proof of key recovery, which ran meanwhile'
wait "$recovery" || { cat "$log"; exit 1; }
cat "$log"
