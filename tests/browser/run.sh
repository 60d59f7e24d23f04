#!/usr/bin/env bash
# run.sh: the page in a real Chromium. First against a mock that plays recorded
# events (page.mjs), then after the sale with the real program and shops
# (sale.mjs), then the job with the real program, model and shops (job.mjs), last
# the page of a seller (admin.mjs).
# ONLY=words runs only the tests with these words in their name.
set -uo pipefail
cd "$(dirname "$0")/../.."
make -s build/release/gen/web_assets.h || { echo "0 passed, 1 failed"; exit 1; }
web/node.sh deps all || { echo "0 passed, 1 failed"; exit 1; }
code=0
for part in ${PARTS:-page sale job admin}; do
  web/node.sh node "tests/browser/$part.mjs" || code=1
done
exit $code
