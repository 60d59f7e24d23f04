#!/usr/bin/env bash
# Runs ucp.py, or with the word agent agent.py, with the packages of ./check: an environment of Python packages, and beside it the second version of ucp-sdk.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/steps.sh
venv=${XDG_CACHE_HOME:-$HOME/.cache}/rukou/venv
[ -x "$venv/bin/python" ] || step "making the Python environment" python3 -m venv "$venv"
[ -x "$venv/bin/spck-conformance" ] || step "installing Python packages" "$venv/bin/pip" install -q -r deps/python.txt
export PATH="$venv/bin:$PATH"
if [ "${1:-}" = agent ]; then exec python3 tests/conformance/agent.py; fi
exec python3 tests/conformance/ucp.py "$@"
