/** What `systemctl show flightline.service` said, recorded on systemd 252 (Debian 12) with the shipped unit. */
import { parseShown, type Shown } from "../../../src/doctor/systemd-show.ts";

/** Running, with a drop-in that says NotifyAccess=all. */
const activeText = `Type=notify
Restart=always
NotifyAccess=all
TimeoutStopUSec=20s
WatchdogUSec=1min
RestartPreventExitStatus=78
MainPID=111
Result=success
NRestarts=0
OOMPolicy=continue
ExecMainStartTimestampMonotonic=44034208437
ExecMainCode=0
ExecMainStatus=0
MemoryMax=536870912
User=flightline
DynamicUser=no
ReadWritePaths=
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
NoNewPrivileges=yes
StateDirectory=flightline
KillMode=mixed
Id=flightline.service
LoadState=loaded
ActiveState=active
SubState=running
DropInPaths=/etc/systemd/system/flightline.service.d/all.conf
UnitFileState=enabled
StateChangeTimestampMonotonic=44034324385
NeedDaemonReload=no
StartLimitIntervalUSec=0
StartLimitBurst=5
`;

function changed(lines: string): Shown {
  return { ...parseShown(activeText), ...pairs(lines) };
}

function pairs(lines: string): Partial<Shown> {
  return Object.fromEntries(
    lines
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** The others as they differ from it. */
export const recorded = {
  active: parseShown(activeText),
  /** There is no such unit. */
  unknown: changed(`
Type=
Restart=no
NotifyAccess=none
TimeoutStopUSec=2s
WatchdogUSec=infinity
RestartPreventExitStatus=
MainPID=0
OOMPolicy=
ExecMainStartTimestampMonotonic=0
MemoryMax=infinity
User=
PrivateTmp=no
ProtectHome=no
ProtectSystem=no
NoNewPrivileges=no
StateDirectory=
KillMode=control-group
LoadState=not-found
ActiveState=inactive
SubState=dead
DropInPaths=
UnitFileState=
StateChangeTimestampMonotonic=0
StartLimitIntervalUSec=10s
`),
  /** Installed, and not started since systemd read it. */
  never: changed(`
NotifyAccess=main
WatchdogUSec=infinity
MainPID=0
ExecMainStartTimestampMonotonic=0
ActiveState=inactive
SubState=dead
DropInPaths=
UnitFileState=disabled
StateChangeTimestampMonotonic=0
`),
  /** Killed by signal 9, before its restart. */
  waiting: changed(`
MainPID=0
Result=signal
ExecMainCode=2
ExecMainStatus=9
ActiveState=activating
SubState=auto-restart
StateChangeTimestampMonotonic=44034349177
`),
  /** After it. */
  restarted: changed(`
MainPID=128
NRestarts=1
ExecMainStartTimestampMonotonic=44039468315
StateChangeTimestampMonotonic=44039567906
`),
  /** A drop-in that undoes what it can. */
  weak: changed(`
Type=simple
Restart=no
TimeoutStopUSec=1min 30s
WatchdogUSec=0
RestartPreventExitStatus=
MainPID=161
OOMPolicy=stop
ExecMainStartTimestampMonotonic=44041552430
MemoryMax=104857600
User=root
ReadWritePaths=/srv/journal "/srv/with space" -/srv/maybe
ProtectSystem=no
NoNewPrivileges=no
StateDirectory=
KillMode=process
DropInPaths=/etc/systemd/system/flightline.service.d/all.conf /etc/systemd/system/flightline.service.d/weak.conf
StateChangeTimestampMonotonic=44041552724
StartLimitIntervalUSec=1min 30s
`),
  /** Ended with 78. */
  misconfigured: changed(`
NotifyAccess=main
MainPID=0
Result=exit-code
ExecMainStartTimestampMonotonic=44041724390
ExecMainCode=1
ExecMainStatus=78
ActiveState=failed
SubState=failed
DropInPaths=
StateChangeTimestampMonotonic=44041825314
`),
  masked: changed(`
Type=
Restart=no
NotifyAccess=none
TimeoutStopUSec=2s
WatchdogUSec=infinity
RestartPreventExitStatus=
MainPID=0
OOMPolicy=
ExecMainStartTimestampMonotonic=0
MemoryMax=infinity
User=
PrivateTmp=no
ProtectHome=no
ProtectSystem=no
NoNewPrivileges=no
StateDirectory=
KillMode=control-group
LoadState=masked
ActiveState=inactive
SubState=dead
DropInPaths=
UnitFileState=masked
StateChangeTimestampMonotonic=0
StartLimitIntervalUSec=10s
`),
};
