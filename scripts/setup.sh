#!/usr/bin/env bash
# Installs what the tests need, and says what it installs. Does nothing that is
# done already.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is not there yet: gcc for the race detector, servers that tests start for
# themselves, a browser, systemd-analyze, an emulator for the tests of arithmetic
# on arm64, the compiler of breez/sync.proto.
missing=()
command -v gcc >/dev/null || missing+=(gcc)
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v protoc >/dev/null || missing+=(protobuf-compiler)
command -v curl >/dev/null || missing+=(curl)
command -v jq >/dev/null || missing+=(jq)
command -v zsh >/dev/null || missing+=(zsh)
command -v fish >/dev/null || missing+=(fish)
command -v strace >/dev/null || missing+=(strace)
command -v mandoc >/dev/null || missing+=(mandoc)
command -v openssl >/dev/null || missing+=(openssl)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v promtool >/dev/null && command -v prometheus >/dev/null || missing+=(prometheus)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
command -v caddy >/dev/null || missing+=(caddy)
if [ -n "${SYNCLINE_LONG:-}" ]; then # nothing else needs what these bring along
  command -v patroni >/dev/null || missing+=(patroni)
  command -v etcd >/dev/null || missing+=(etcd-server)
fi

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup: please install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  echo "setup: installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  # RUNLEVEL=1: Debian would start what it installs; the tests start their own.
  "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

echo "setup: Go modules"
go mod download
go mod download -C examples/nats
go mod download -C breez/clients
go mod download -C deploy/checks
go mod download -C deploy/image

if ! cmp -s web/package-lock.json web/node_modules/.installed-lock; then
  echo "setup: npm packages in web/"
  npm ci --prefix web --no-audit --no-fund --loglevel=error
  cp web/package-lock.json web/node_modules/.installed-lock
else
  echo "setup: building the JavaScript client"
  npm run build --prefix web --workspace client >/dev/null
fi
if ! cmp -s examples/notes/package-lock.json examples/notes/node_modules/.installed-lock; then
  echo "setup: npm packages in examples/notes/"
  npm ci --prefix examples/notes --no-audit --no-fund --loglevel=error
  cp examples/notes/package-lock.json examples/notes/node_modules/.installed-lock
fi
echo "setup: done"
