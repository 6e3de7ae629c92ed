#!/usr/bin/env bash
# Runs inside of a machine, for systemd.test.ts: lays the program out as the shipped unit expects it, and
# hands over to the process that plays the scenarios.
#   systemd-install.sh NODE
set -euo pipefail
node=$1

useradd --system --no-create-home --shell /usr/sbin/nologin flightline
# Where it ships, because the unit hides /home and /tmp, in which the checkout may lie.
mkdir -p /usr/lib/flightline/{bin,test,node_modules}
cp "$node" /usr/lib/flightline/bin/node
# The built program, and for faulty-main.ts the sources.
cp -r dist src package.json /usr/lib/flightline/
cp -r test/support /usr/lib/flightline/test/
mount --bind "$(realpath node_modules)" /usr/lib/flightline/node_modules
exec "$node" test/support/systemd-scenarios-process.ts
