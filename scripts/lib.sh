# shellcheck shell=bash
# What the scripts share: where the checkout is, how its tools get there, how trouble is said.
# Sourced, never run. Everything here writes to standard error, so that a script's own output stays
# clean (`scripts/demo --json`), and everything returns quickly when there is nothing to do.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): $*"
  exit 1
}

in_ci() { [[ -n "${CI:-}" && "${CI}" != 0 && "${CI}" != false ]]; }

# Runs a command with its output kept back; shows the output only when the command fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  if ((status != 0)); then
    cat "$log" >&2
    say "(exit code $status: $*)"
  fi
  rm -f "$log"
  return "$status"
}

# --- node_modules and Node -------------------------------------------------------------------------

# What node_modules must match. The machine is part of it: a checkout on a shared disk may change hosts.
modules_stamp() {
  { uname -sm && cat "$root/package-lock.json" "$root/package.json"; } | sha256sum | cut -d ' ' -f 1
}

modules_fresh() {
  local stamp="$root/node_modules/.flightline-stamp"
  [[ -f $stamp && $(<"$stamp") == "$(modules_stamp)" ]]
}

# Installs node_modules when package.json or the lock file changed. One script at a time: two installs in
# one folder remove each other's files.
#
# Not `npm ci`: it refuses the whole lock file when one optional package of some other platform is not in
# it, and registries often lack a few of those. `npm install --no-save` takes the versions of the lock file
# and writes neither file; test/docs.test.ts sees to it that the lock file belongs to package.json.
setup_modules() {
  modules_fresh && return
  command -v npm >/dev/null || die "npm is missing. Install Node.js 20 or newer with npm (Debian: apt-get install nodejs npm)."
  mkdir -p "$root/.tmp"
  (
    flock 9
    modules_fresh && exit 0 # another script did it while this one waited
    say "installing node_modules (npm) …"
    cd "$root"
    quietly npm install --no-save --no-audit --no-fund --loglevel=error || die "npm install failed; its output is above."
    modules_stamp >node_modules/.flightline-stamp
  ) 9>"$root/.tmp/setup.lock"
}

node_major() {
  local version
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  printf '%s' "${version%%.*}"
}

# Puts Node 24 first in PATH, from node_modules (an npm package carries it) or the system's own.
setup_node() {
  export PATH="$root/node_modules/.bin:$PATH"
  local found
  found=$(node_major node) || found=0
  ((found >= 24)) && return
  # A node of npm that does not run here (another libc, another processor) hides a good one behind it.
  local candidate
  while read -r candidate; do
    if (($(node_major "$candidate" || printf 0) >= 24)); then
      mkdir -p "$root/.tmp/bin"
      ln -sf "$candidate" "$root/.tmp/bin/node"
      export PATH="$root/.tmp/bin:$PATH"
      return
    fi
  done < <(type -ap node)
  die "Node.js 24 is missing: npm brings it for Linux x64 and arm64 with glibc 2.34 or newer; elsewhere install it yourself."
}

setup() {
  setup_modules
  setup_node
}

# --- programs from Debian --------------------------------------------------------------------------

# need_program PROGRAM [PACKAGE]: installs the Debian package when the program is not there. Where it
# cannot (no root, no apt, no network) CI fails, and elsewhere the script goes on and says what it lacks.
need_program() {
  local program=$1 package=${2:-$1}
  export PATH="$PATH:/usr/sbin:/sbin"
  command -v "$program" >/dev/null && return
  if ! command -v apt-get >/dev/null; then
    lacks "$program" "install it with your package manager"
  elif ((EUID != 0)); then
    lacks "$program" "as root: apt-get install --no-install-recommends $package"
  else
    say "installing $package (apt-get) …"
    install_package "$package" || lacks "$program" "apt-get could not install $package"
  fi
}

lacks() {
  in_ci && die "$1 is missing ($2)"
  say "note: $1 is missing ($2). What needs it is skipped."
}

install_package() {
  local package=$1 status=0
  forbid_services
  apt_install "$package" >/dev/null 2>&1 || {
    # Unknown, or its version is gone from the mirror: the lists are absent or old.
    quietly apt-get update -q && quietly apt_install "$package"
  } || status=$?
  allow_services
  # Installing a service also enables it for the next start of the machine; ours runs only inside tests.
  if ((status == 0)) && [[ -d /run/systemd/system ]]; then
    systemctl disable --now "$package.service" >/dev/null 2>&1 || true
  fi
  return "$status"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$1"
}

# Debian starts a service when it installs one. A policy-rc.d that says 101 ("forbidden") prevents it;
# a machine that has one of its own keeps it.
policy=/usr/sbin/policy-rc.d

forbid_services() {
  [[ -e $policy ]] && return
  printf '#!/bin/sh\n# Written by a Flightline script for the time of one apt-get install.\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
}

allow_services() {
  [[ $(trap -p EXIT) == *policy* ]] || return 0
  rm -f "$policy"
  trap - EXIT
}
