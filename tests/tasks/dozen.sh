#!/usr/bin/env bash
# dozen.sh: twelve of the development tasks with the real model, one of each kind that can end well today, judged by rukou and again by
# recheck.py. Ends with `N passed, N failed` of each.
set -uo pipefail
cd "$(dirname "$0")/../.."
rukou=${RUKOU:-build/release/rukou}
kept=$(mktemp -d)
trap 'rm -r "$kept"' EXIT
"$rukou" eval tests/tasks/dev.jsonl --keep "$kept" --no-pull \
  --only shoes,two-things,trip,trip-business,film-en,compare-only,choose-second-en,cap-at-card,milk-tea-8,return,wallet,hello | tee "$kept/table" || exit 1
python3 tests/recheck.py "$kept" || exit 1
grep -q '^12 passed, 0 failed' "$kept/table"
