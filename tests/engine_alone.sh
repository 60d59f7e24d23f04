#!/usr/bin/env bash
# engine_alone.sh: the example of `make engine` writes a sentence and needs no library but libc, libm and pthread.
set -uo pipefail
cd "$(dirname "$0")/.."
write=build/release/write
model=${XDG_CACHE_HOME:-$HOME/.cache}/rukou/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
passed=0 failed=0
verdict() { if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok   $2"; else failed=$((failed + 1)); echo "FAIL $2"; fi; }

foreign=$(ldd "$write" | awk '{ print $1 }' | grep -vE '^(linux-vdso|libm\.so|libc\.so|/lib|libpthread)')
[ -z "$foreign" ]; verdict $? "no library but libc, libm, pthread${foreign:+: $foreign}"
text=$("$write" "$model" "The capital of France is" 8); code=$?
echo "$text"
[ $code = 0 ] && grep -q Paris <<<"$text"; verdict $? "a sentence is written"
why=$("$write" /nonexistent.gguf "x" 2>&1); [ $? = 1 ] && grep -q /nonexistent.gguf <<<"$why"; verdict $? "a missing file is named"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
