#!/usr/bin/env bash
# The engine against the reference values of tests/golden (see its README) and the perplexity of a fixed text.
set -uo pipefail
cd "$(dirname "$0")/.."
rukou=build/release/rukou failed=0

run() { echo "# $*"; "$@" || failed=1; }
run $rukou verify tokens 0.5b tests/golden/tokens.jsonl
run $rukou verify tokens 1.5b tests/golden/tokens.jsonl
run $rukou verify next 0.5b tests/golden/next-qwen2.5-coder-0.5b-q4_k_m.jsonl
run $rukou verify next 1.5b tests/golden/next-qwen2.5-coder-1.5b-q4_k_m.jsonl

# perplexity MODEL TRUTH: within 0.5 % of the float32 truth
perplexity() {
  local got
  got=$($rukou perplexity "$1" /usr/share/common-licenses/GPL-3 --json) || { echo "0 passed, 1 failed"; failed=1; return; }
  echo "# perplexity $1: $got, truth $2"
  if python3 -c 'import json,sys; v=json.loads(sys.argv[1])["ppl"]; t=float(sys.argv[2]); sys.exit(abs(v-t) > 0.005*t)' "$got" "$2"; then
    echo "1 passed, 0 failed"
  else
    echo "0 passed, 1 failed"; failed=1
  fi
}
perplexity 0.5b 5.3038
perplexity 1.5b 1.7522
exit $failed
