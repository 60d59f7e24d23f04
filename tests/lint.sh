#!/usr/bin/env bash
# lint.sh: include arrows, SQL places, hosts and paths, spelling, static analysis. Ends with `N passed, N failed`.
set -uo pipefail
shopt -s lastpipe # verdict counts in this shell
cd "$(dirname "$0")/.."
passed=0 failed=0

# verdict NAME: reads findings from stdin; none is a pass
verdict() {
  local out; out=$(cat)
  if [ -z "$out" ]; then passed=$((passed + 1)); echo "ok   $1"
  else failed=$((failed + 1)); echo "FAIL $1"; echo "$out" | head -n 40; fi
}

# Who may include whom, besides itself. An arrow that is not here goes up.
declare -A may=(
  [base]="" [json]="base" [engine]="base" [store]="base json" [net]="base json" [http]="base json"
  [chat]="base json engine net" [trade]="base json net http store" [shop]="base json net http store trade" [search]="base json net" [site]="base json http"
  [agent]="base json engine net http store chat trade shop search" [server]="base json engine net http store chat trade agent"
  [eval]="base json net store shop"
  [cli]="base json engine net http store chat trade shop search site agent server eval")
for dir in src/*/; do
  m=$(basename "$dir")
  grep -rnoE '#include "[a-z]+/' "$dir" --include='*.[ch]' | while IFS= read -r line; do
    to=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$line")
    [ "$to" = "$m" ] && continue
    [[ -v may[$m] && " ${may[$m]} " == *" $to "* ]] || echo "$line: $m may not see $to"
  done
done | verdict "include arrows go down"

grep -rnE '"(SELECT|INSERT|UPDATE|DELETE|CREATE TABLE|PRAGMA|BEGIN|ALTER) ' src --include='*.[ch]' |
  grep -vE '^src/(store/|shop/store\.c)' | verdict "SQL stands only in store/ and shop/store.c"
grep -rln 'openssl/' src | grep -vE '^src/net/' | verdict "OpenSSL stands only in net/"
for h in src/*/*.h src/*/*/*.h; do
  [ -e "$h" ] && ! gcc -std=c17 -D_GNU_SOURCE -Isrc -Ibuild/release/gen -fsyntax-only -Wall -x c "$h" 2>/dev/null && echo "$h does not compile alone"
done | verdict "headers compile alone"
git ls-files | grep -v '^tests/lint.sh$' | xargs grep -nIE '/(work|root)/|pypi\.org|registry\.npmjs|deb\.debian|pythonhosted' | verdict "no machine path and no registry host"
git ls-files | grep -E '\.(gguf|so|a|o|whl|tgz|zip|db)$' | verdict "no weights, archives or objects"
git ls-files fuzz/corpus | while IFS= read -r f; do [ "$(stat -c %s "$f")" -le 4096 ] || echo "$f is over 4 kB"; done | verdict "fuzz seeds are small"
git ls-files docs/img | while IFS= read -r f; do [ "$(stat -c %s "$f")" -le 307200 ] || echo "$f is over 300 kB"; done | verdict "pictures are small"
codespell -q 3 -L "fulfilment,upto,te,nd,fo,ot,ba,ue,ser,hel,unparseable,inout,clen,wit,thats,zar" $(git ls-files 'src/*.c' 'src/*.h' '*.md' up check) 2>&1 | verdict "spelling"
# The macros of jansson and the compound literals of C17 are beyond its parser: named here, and the false findings they bring left out.
cppcheck --quiet --std=c11 --inline-suppr --enable=warning,portability -j2 -Isrc -D_GNU_SOURCE -DRK_VERSION='""' \
  --include=tests/tools/cppcheck.h \
  --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=checkLevelNormal --suppress=internalAstError \
  --suppress=uninitStructMember --suppress=arrayIndexThenCheck --suppress=invalidFunctionArg \
  --template='{file}:{line}: {id}: {message}' src 2>&1 | verdict "cppcheck"
for f in up check tests/*.sh tests/tools/*.sh .ci/run bench/peers; do [ -e "$f" ] && ! bash -n "$f" 2>&1 && echo "$f"; done | verdict "shell syntax"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
