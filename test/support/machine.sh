#!/usr/bin/env bash
# Boots a real systemd on a throw-away copy of this machine, runs one command in it and ends it:
#
#   machine.sh NAME RESULTS CHECKOUT COMMAND [ARGUMENT…]
#
# The copy is an overlay of / with its changes in memory. The command runs as root in CHECKOUT, which is
# read-only; it and /results (the folder RESULTS) are the only folders shared with this machine. Output and
# errors go to RESULTS/output. The exit status is the command's; 125 when it was killed or never ran.
#
# Everything lives in namespaces of mounts and processes of its own, so that the end of their first process
# is the end of all of it. It ends when the command does, when this script is told to stop, or when standard
# input closes: whoever started this has died.
set -euo pipefail

hierarchies=(/sys/fs/cgroup/systemd /sys/fs/cgroup/unified)
# One hierarchy for everything, where this machine has it.
[[ -e /sys/fs/cgroup/cgroup.procs ]] && hierarchies=(/sys/fs/cgroup)

# A systemd of its own needs a cgroup of its own: in a shared one it would move what is not its.
enter_cgroups() {
  local hierarchy
  for hierarchy in "${hierarchies[@]}"; do
    if [[ -d $hierarchy ]]; then echo 0 >"$hierarchy/$1/cgroup.procs"; fi
  done
}

make_cgroups() {
  local hierarchy
  for hierarchy in "${hierarchies[@]}"; do
    if [[ -d $hierarchy ]]; then mkdir "$hierarchy/$1"; fi
  done
}

# The kernel lets go of a cgroup a moment after the last process in it has died.
remove_cgroups() {
  local hierarchy attempt
  for hierarchy in "${hierarchies[@]}"; do
    for ((attempt = 0; attempt < 40; attempt++)); do
      [[ -d $hierarchy/$1 ]] || break
      find "$hierarchy/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    done
  done
}

write_units() {
  local checkout=$1
  shift
  cat >etc/systemd/system/ci.target <<UNIT
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
Wants=ci-command.service
AllowIsolate=yes
UNIT
  cat >etc/systemd/system/ci-command.service <<UNIT
[Unit]
After=basic.target dbus.socket
[Service]
Type=oneshot
TimeoutStartSec=infinity
WorkingDirectory=$checkout
ExecStart=/bin/bash /etc/ci-command
ExecStopPost=/bin/bash /etc/ci-end
StandardOutput=file:/results/output
StandardError=inherit
UNIT
  printf 'exec %s\n' "${*@Q}" >etc/ci-command
  mkdir -p etc/systemd/system.conf.d
  # At the end nobody waits for a service that disregards SIGTERM.
  printf '[Manager]\nDefaultTimeoutStopSec=2s\n' >etc/systemd/system.conf.d/ci.conf
  # The journal is the only witness of what went wrong before or beside the command.
  cat >etc/ci-end <<'SCRIPT'
journalctl --no-pager -o short-monotonic >/results/journal 2>&1
[[ $EXIT_STATUS =~ ^[0-9]+$ ]] || EXIT_STATUS=125
exec systemctl exit "$EXIT_STATUS" --force
SCRIPT
}

# Services of other users must reach the checkout, wherever it lies; changed in the copy only.
open_to_all() {
  local folder
  for folder in "$@"; do
    while [[ $folder != / ]]; do
      folder=$(dirname "$folder")
      if [[ -d .$folder ]]; then chmod a+rx ".$folder"; fi
    done
  done
}

# Inside of the namespaces: mounts are seen by nobody else, and go with the last process.
boot() {
  local name=$1 results=$2 checkout=$3 modules
  shift 3
  enter_cgroups "$name"
  # nspawn keeps notes in /run, and clears them away only where that is in memory.
  mount -t tmpfs flightline-machine /run
  local base=/run/machine
  mkdir "$base"
  mount -t tmpfs flightline-machine "$base"
  mkdir "$base"/{upper,work,root}
  # nspawn refuses / itself. Mounts below / are not part of an overlay: only the root file system is.
  mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" flightline-machine "$base/root"
  cd "$base/root"
  # The first forbids packages to start services, the second mounts what this machine has.
  rm -f usr/sbin/policy-rc.d etc/fstab
  echo uninitialized >etc/machine-id
  write_units "$checkout" "$@"
  # node_modules may be a link to another folder.
  modules=$(realpath "$checkout/node_modules")
  open_to_all "$checkout" "$modules"
  # Reading the state of the clock is a system call of those that nspawn forbids altogether.
  exec systemd-nspawn --quiet --directory="$base/root" --boot --machine="$name" --register=no --keep-unit \
    --private-network --console=pipe --system-call-filter="adjtimex clock_adjtime" \
    --bind="$results:/results" --bind-ro="$checkout" --bind-ro="$modules" systemd.unit=ci.target
}

clean_up() {
  set +e
  local process
  for process in $watcher $machine; do
    # unshare disregards SIGTERM.
    kill -KILL "$process" 2>/dev/null
    wait "$process" 2>/dev/null
  done
  remove_cgroups "$name"
}

if [[ $1 == --boot ]]; then
  boot "${@:2}"
fi

name=$1
machine='' watcher=''
trap clean_up EXIT
# Once: who signals a whole group reaches this script twice, and its cleaning up must not be cut short.
trap 'trap "" TERM INT HUP; exit 125' TERM INT HUP
make_cgroups "$name"
# unshare dies with this script, and the first process in the namespace with unshare.
exec 3<&0
setpriv --pdeathsig KILL unshare --mount --pid --mount-proc --propagation private --kill-child \
  bash "${BASH_SOURCE[0]}" --boot "$@" </dev/null 3<&- &
machine=$!
{
  read -r -u 3 || kill -KILL "$machine"
} &
watcher=$!
exec 3<&-
status=0
wait "$machine" || status=$?
# Above 128: a signal ended it.
exit $((status > 125 ? 125 : status))
