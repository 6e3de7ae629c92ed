#!/usr/bin/env bash
# Runs inside of a machine, for unit-file.test.ts: installs the shipped unit with a probe in the place of the
# daemon, starts it, kills it once, and stops it with exit code 78. What the doctor says of each state is kept.
#   unit-probe.sh NODE
set -euo pipefail
node=$1

useradd --system --no-create-home --shell /usr/sbin/nologin flightline
# Where it ships, because the unit hides /home and /tmp, in which the checkout may lie.
mkdir -p /usr/lib/flightline/{bin,dist,test,node_modules} /etc/flightline
cp "$node" /usr/lib/flightline/bin/node
cp -r src package.json /usr/lib/flightline/
cp -r test/support /usr/lib/flightline/test/
mount --bind "$(realpath node_modules)" /usr/lib/flightline/node_modules
echo 'import "../test/support/unit-probe-process.ts";' >/usr/lib/flightline/dist/main.js
printf 's3cret\n' >/etc/flightline/influxdb-token
chmod 600 /etc/flightline/influxdb-token
cp systemd/flightline.service /etc/systemd/system/

systemd-analyze verify --recursive-errors=no flightline.service >/results/verify 2>&1 || echo "exit $?" >>/results/verify
systemd-analyze security --offline=true --threshold=15 --no-pager flightline.service >/results/security 2>&1 ||
  echo "exit $?" >>/results/security
mkdir /etc/systemd/system/flightline.service.d
cp systemd/growing-delay.conf /etc/systemd/system/flightline.service.d/
systemd-analyze verify --recursive-errors=no flightline.service >/results/verify-growing 2>&1 ||
  echo "exit $?" >>/results/verify-growing
systemctl --version >/results/version

# Nothing else of the shipped unit is changed.
rm /etc/systemd/system/flightline.service.d/growing-delay.conf
printf '[Service]\nRestartSec=100ms\n' >/etc/systemd/system/flightline.service.d/test.conf
systemctl daemon-reload
show() { systemctl show --property=ActiveState,Result,NRestarts,ExecMainStatus flightline.service; }
systemctl start flightline.service || systemctl status --no-pager flightline.service
show >/results/started
doctor() { "$node" test/support/doctor-systemd-process.ts "$@"; }
doctor >/results/doctor-started
runuser -u flightline -- "$node" test/support/doctor-systemd-process.ts >/results/doctor-user
doctor /srv/journal >/results/doctor-elsewhere
systemctl kill --kill-whom=main --signal=KILL flightline.service
for ((i = 0; i < 100; i++)); do
  [[ $(show) == *NRestarts=1* && $(systemctl is-active flightline.service) == active ]] && break
  sleep 0.1
done
show >/results/restarted
doctor >/results/doctor-restarted
cp /var/lib/flightline/report-*.json /results/
stat -c '%U %a' /var/lib/flightline /run/flightline >/results/folders

systemctl stop flightline.service
echo 'process.exit(78);' >/usr/lib/flightline/dist/main.js
systemctl start flightline.service || true
sleep 1
show >/results/misconfigured
doctor >/results/doctor-misconfigured
