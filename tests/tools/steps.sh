# steps.sh: what ./up and ./check share. Sourced.

# step NAME COMMAND...: runs it quietly; on failure says so in one line and shows the last lines of its output.
step() {
  local name=$1 log code; shift
  log=$(mktemp)
  printf '%s ...\n' "$name" >&2
  "$@" >"$log" 2>&1; code=$?
  if [ $code -ne 0 ]; then
    tail -n 25 "$log" >&2
    printf 'error: %s failed (%s, exit %d)\n' "$name" "$1" $code >&2
  fi
  rm -f "$log"
  return $code
}

# install_debian FILE...: installs the Debian packages named in the files that are not there yet.
install_debian() {
  local missing=() name sudo=()
  if ! command -v apt-get >/dev/null || [ ! -e /etc/debian_version ]; then
    local all; all=$(cat "$@")
    printf 'error: this is no Debian or Ubuntu; install what these packages hold, then run again: %s\n' "$(echo $all)" >&2
    return 1
  fi
  for name in $(cat "$@"); do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { printf 'error: run as root, or install sudo, or install: %s\n' "${missing[*]}" >&2; return 1; }
    sudo=(sudo)
  fi
  step "reading the package lists" "${sudo[@]}" apt-get update -q || return 1
  step "installing ${missing[*]}" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}
