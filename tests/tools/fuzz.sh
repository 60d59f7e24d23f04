#!/usr/bin/env bash
# fuzz.sh PROGRAM SECONDS: runs a libFuzzer program from its seeds; the last line is `N runs, no crash`.
# What it finds on the way stays in PROGRAM.corpus, an input that crashes in PROGRAM.crash-*.
set -uo pipefail
program=$1 seconds=$2 name=$(basename "$1")
mkdir -p "$program.corpus"
echo "# $name"
if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
  -artifact_prefix="$program." "$program.corpus" "fuzz/corpus/$name" >"$program.log" 2>&1; then
  awk '/stat::number_of_executed_units:/ { print $2 " runs, no crash" }' "$program.log"
else
  grep -vE '^#[0-9]+' "$program.log" | tail -n 40
  echo "$name: CRASH; the input is named above, the log is $program.log"
  exit 1
fi
