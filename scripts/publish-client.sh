#!/usr/bin/env bash
# Publishes the JavaScript client from a built tree: scripts/publish-client.sh TAG COMMAND...
#
# TAG is client-v and the version of web/client/package.json. COMMAND runs in a copy of the
# package that may be published, such as `npm publish --provenance --access public`. The tree's own
# package.json stays private, so that nobody publishes it by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1
shift
version=$(node -p 'require("./web/client/package.json").version')
if [ "$tag" != "client-v$version" ]; then
  echo "the tag is $tag, and web/client/package.json has version $version" >&2
  exit 1
fi
if [ ! -e web/client/dist/index.js ]; then
  echo "web/client/dist is not built: npm run build --prefix web/client" >&2
  exit 1
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R web/client/package.json web/client/README.md web/client/LICENSE web/client/dist web/client/src "$copy"
cd "$copy"
npm pkg delete private scripts.prepare
if [ -n "${GITHUB_REPOSITORY:-}" ]; then # npm compares it with who signed the provenance
  npm pkg set "repository.type=git" "repository.url=git+https://github.com/$GITHUB_REPOSITORY.git" "repository.directory=web/client"
fi
"$@"
