#!/usr/bin/env bash
# Takes default.pgo anew, by which the compiler knows what the server does most: of
# all that the benchmark has the server do for its users, on every database. What it says of itself, by
# `go tool pprof -comments default.pgo`, is the revision that it was taken at.
set -euo pipefail
cd "$(dirname "$0")/.."
revision="$(git describe --always --dirty --exclude='*') of $(git show --no-patch --format=%cs)"
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

(cd bench && go run . -profile -quick -rounds 1 -duration 2s -baseline '' -peers=false -deployments sqlite,postgres,postgres-redis -out "$results" \
  -workloads writes,pages,notifications,locks,breez,conflicts,storm)
go tool pprof -proto -add_comment "taken at $revision" -output default.pgo "$results"/profiles/*.pprof
go tool pprof -comments default.pgo
