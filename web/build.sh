#!/usr/bin/env bash
# build.sh OUT.h: bundles the page and writes it as C arrays (src/server/assets.h); the plain files go to OUT's folder, web/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/node.sh" deps page
"$here/node.sh" node "$here/build.mjs" "$1"
