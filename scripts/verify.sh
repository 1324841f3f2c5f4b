#!/usr/bin/env bash
# The long runs of `make verify`: scripts/verify.sh [duration of each fuzz target]
#
# The proof of key recovery computes for a quarter of an hour on one core. It runs
# beside the others, at the lowest priority: their times stay what they are, and it
# takes what they leave.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}
export GOFLAGS="$(go env GOFLAGS) -vet=off" # make lint has run it
step() { printf '\nverify: %s (%s)\n' "$1" "$(date +%T)"; }

log=$(mktemp)
set -m # a process group of its own, which can be ended whole
nice -n 19 scripts/verify-recovery.sh >"$log" 2>&1 &
set +m
recovery=$!
trap 'kill -- "-$recovery" 2>/dev/null || true; rm -f "$log"' EXIT

step 'all tests under the race detector, at full length'
# Tests wait for servers more than they compute: one package more at a time than there are
# processors. Those that take longest are first, or a processor would be idle in the end.
processors=$(nproc)
at_once=$(((processors < 8 ? processors : 8) + 1))
longest=(syncline/internal/e2e syncline/storage/retention syncline/internal/command syncline/storage/records syncline/internal/linearizability)
mapfile -t packages < <(go list ./... | grep -v '^syncline/synckit')
SYNCLINE_VERIFY=1 go test -race -p "$at_once" -timeout 40m "${longest[@]}" "${packages[@]}"
step 'those of synckit likewise, and what they cover'
SYNCLINE_VERIFY=1 scripts/check-coverage.sh 90 -race -p "$at_once"
step 'at full length without it, what the race detector finds no more in: groups of writes, churn, kills at each step, a drain'
SYNCLINE_VERIFY=1 go test -p "$at_once" -timeout 40m -run 'Groups|Churn|^TestOn(SQLite|Postgres)$|^TestKilled|[a-z]Killed$|^TestDrainEndsStreams$' \
  ./internal/command ./storage/retention ./storage/records ./breez
step 'offline stores of the JavaScript client that are killed at any step, and what they end with'
npm run verify --prefix web --workspace client
step 'hostile clients'
SYNCLINE_VERIFY=1 go test -timeout 60m ./internal/hostile
step 'benchmarks have tests, too'
go test -C bench ./...
step 'Litestream beside a server'
go test -C deploy/litestream -timeout 40m ./... # it builds Litestream first
step 'clients of Breez data-sync, as published'
npm ci --prefix web/breez --omit=optional --no-audit --no-fund --loglevel=error
npm test --prefix web/breez
SYNCLINE_VERIFY=1 go test -C breez/clients ./...
step "every fuzz target for $fuzztime"
scripts/fuzz.sh "$fuzztime"
step 'the proof of key recovery, which ran meanwhile'
wait "$recovery" || { cat "$log"; exit 1; }
cat "$log"
