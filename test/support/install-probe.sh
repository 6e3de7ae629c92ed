#!/usr/bin/env bash
# Runs inside of a machine, for install.test.ts: a checkout of somebody's is installed, started beside the
# sandbox's broker and database, reloaded, installed over itself while it runs, removed, and put back.
# What is seen on the way is written to /results.
#   install-probe.sh NODE
set -euo pipefail
node=$1 source=$PWD checkout=/srv/flightline

# The machine has this checkout read-only, and installing builds.
useradd --system --create-home builder
mkdir "$checkout"
cp -R src scripts config systemd docs README.md CHANGELOG.md LICENSE package.json package-lock.json tsconfig*.json "$checkout/"
ln -s "$(realpath node_modules)" "$checkout/node_modules"
chown -R builder "$checkout"
cd "$checkout"

show() { systemctl show --property="$1" --value flightline.service; }

# until_true SECONDS COMMAND…
until_true() {
  local tries=$((10 * $1))
  shift
  for ((; tries > 0; tries--)); do
    if "$@"; then return; fi
    sleep 0.1
  done
  echo "in vain: $*"
  return 1
}

installed() { find /usr/lib/flightline /usr/bin/flightline /usr/share/doc/flightline /etc/flightline \
  /usr/lib/systemd/system/flightline.service* /var/lib/flightline 2>/dev/null || true; }

./scripts/install 2>/results/install
{ systemctl is-enabled flightline.service; systemctl is-active flightline.service; } >/results/untouched || true
installed >/results/files
stat -c '%U %G %a %n' /etc/flightline /etc/flightline/flightline.toml /usr/lib/flightline \
  /usr/lib/flightline/dist/main.js /usr/bin/flightline /usr/lib/systemd/system/flightline.service >/results/modes
stat -c '%U' dist >/results/builder
systemctl --version >/results/version
flightline --version >/results/command
flightline check >/results/check

# Where the shipped configuration looks for them.
"$node" "$source/src/main.ts" sandbox --devices 5 --interval 200ms --json >/results/sandbox 2>&1 &
sandbox=$!
until_true 20 grep -q mqtt /results/sandbox
mkdir /etc/flightline/conf.d
# Nobody sets the clock of a machine without a network.
printf '[clock]\nntp = "ignore"\n' >/etc/flightline/conf.d/clock.toml

systemctl enable --now flightline.service
pid=$(show MainPID)
show ActiveEnterTimestampMonotonic >/results/active-us
show ExecMainStartTimestampMonotonic >/results/started-us
well() { flightline status >/results/status 2>&1; }
until_true 20 well
flows() { [[ $(show StatusText) == *"InfluxDB up"* ]]; }
until_true 20 flows
show StatusText >/results/status-text
{ runuser -u builder -- flightline status || echo "exit $?"; } >/results/stranger 2>&1
usermod -aG flightline builder
{ runuser -u builder -- flightline status || echo "exit $?"; } >/results/member 2>&1
has_written() { flightline status | grep -qE ' [0-9]{3,} written'; }
until_true 60 has_written
# With two dozen uplinks a second it rests, and gives back what its start has taken; the test has the limit.
is_small() { (($(awk '/VmRSS/ { print $2 }' "/proc/$pid/status") * 1024 < 108000000)); }
until_true 30 is_small || true
grep VmRSS "/proc/$pid/status" >/results/resident

printf '[tags]\nsite = "barn-7"\n' >/etc/flightline/conf.d/tags.toml
systemctl reload flightline.service
said() { journalctl --unit=flightline --output=cat | grep -q "$1"; }
until_true 10 said "reloaded the configuration"
echo 'site = ' >>/etc/flightline/conf.d/tags.toml
systemctl reload flightline.service
until_true 10 said reload_rejected
rm /etc/flightline/conf.d/tags.toml
journalctl --unit=flightline --output=cat | grep -c "connected to the broker" >/results/connections

echo '# mine' >>/etc/flightline/flightline.toml
./scripts/install 2>/results/update
echo "$pid $(show MainPID) $(systemctl is-active flightline.service)" >/results/after-update
well || echo "exit $?" >>/results/status
cp src/main.ts main.ts
echo 'const broken: number = "";' >>src/main.ts
{ ./scripts/install || echo "exit $?"; } >/results/broken 2>&1
mv main.ts src/main.ts
flightline --version >/results/after-broken
ls -d /usr/lib/flightline* >>/results/after-broken
systemctl restart flightline.service
until_true 20 well
show NRestarts >/results/restarts
kill "$sandbox"

./scripts/uninstall 2>/results/uninstall
installed >/results/kept
./scripts/install --start 2>/results/again
{ systemctl is-enabled flightline.service; systemctl is-active flightline.service; } >/results/started-again || true
tail -n 1 /etc/flightline/flightline.toml >/results/own-line
echo 'nonsense = 1' >/etc/flightline/conf.d/bad.toml
{ ./scripts/install --start || echo "exit $?"; } >/results/misconfigured 2>&1
{ ./scripts/install --nonsense || echo "exit $?"; runuser -u builder ./scripts/install || echo "exit $?"; } >/results/refused 2>&1
./scripts/uninstall --purge 2>/results/purge
installed >/results/left
{ getent passwd flightline; getent group flightline; } >>/results/left || true
