#!/usr/bin/env bash
# Runs the commands of the README's console blocks against a server of their own,
# and writes down what they print.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
go build -o "$dir/" . ./cmd/syncctl
LISTEN_ADDRESS=127.0.0.1:18080 SQLITE_DIR_PATH="$dir/db" "$dir/syncline" 2>"$dir/log" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$dir"' EXIT
until curl -sf http://127.0.0.1:18080/readyz >/dev/null; do kill -0 $server; done

export SYNCLINE_URL=http://127.0.0.1:18080/graphql SYNCLINE_KEY="$dir/key" PATH="$dir:$PATH"
inside=
while IFS= read -r line; do
  case $line in
    '```console') inside=yes ;;
    '```') inside= ;;
  esac
  if [ -z "$inside" ] || [ "$line" = '```console' ]; then
    printf '%s\n' "$line"
  elif [ "${line:0:2}" = '$ ' ]; then
    printf '%s\n' "$line"
    command=${line:2}
    command=${command//localhost:8080/127.0.0.1:18080}
    bash -c "${command//go run .\/cmd\/syncctl/syncctl}" </dev/null 2>&1 | sed "s#$SYNCLINE_KEY#/home/you/.config/syncline/key#" || true
  fi
done <README.md >"$dir/README.md"
cp "$dir/README.md" README.md
