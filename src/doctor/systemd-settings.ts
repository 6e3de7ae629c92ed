/**
 * What the unit is set to, drop-ins included, and what of it weakens the promises that rest on systemd. Pure: a
 * table of rules over what `systemctl show` says.
 */
import { formatBytes } from "../lib/units.ts";
import type { Finding } from "./finding.ts";
import { pathList, type Shown, spanMs } from "./systemd-show.ts";

/** A remark about one setting; undefined: it is as it should be. `edit`: the command that changes this unit. */
type Rule = (shown: Shown, edit: string) => Omit<Finding, "check"> | undefined;

/** By the check that they belong to; each check gets one line at least. */
const rules: Readonly<Record<string, readonly Rule[]>> = {
  notify: [typeRule, accessRule],
  watchdog: [watchdogRule],
  restart: [restartRule, preventRule, limitRule],
  settings: [killRule, stopRule, oomRule, memoryRule, userRule, privilegesRule],
};

export function judgeSettings(shown: Shown): Finding[] {
  return Object.entries(rules).flatMap(([name, list]) => {
    const check = `systemd.${name}`;
    const remarks = list.flatMap((rule) => rule(shown, `sudo systemctl edit ${shown.Id}`) ?? []);
    const fine: Finding = { check, severity: "ok", text: fineTexts[name]?.(shown) ?? "" };
    return remarks.length === 0 ? [fine] : remarks.map((remark): Finding => ({ check, ...remark }));
  });
}

const fineTexts: Readonly<Record<string, (shown: Shown) => string>> = {
  notify: ({ Type, NotifyAccess }) => `Type=${Type}, NotifyAccess=${NotifyAccess}`,
  watchdog: ({ WatchdogUSec }) => `a daemon that is stuck is killed after ${WatchdogUSec}`,
  restart: ({ Restart }) => `Restart=${Restart}, without a limit, and not after a bad configuration`,
  settings: ({ User, MemoryMax, DropInPaths }) => {
    const files = pathList(DropInPaths).length;
    const memory =
      MemoryMax === "infinity" ? "memory without a limit" : `${formatBytes(Number(MemoryMax))} of memory`;
    return `user ${User}, ${memory}, ${files === 0 ? "no drop-ins" : `drop-ins: ${dropIns(DropInPaths)}`}`;
  },
};

function dropIns(paths: string): string {
  return pathList(paths)
    .map((path) => path.slice(path.lastIndexOf("/") + 1))
    .join(", ");
}

function warning(text: string, hint: string): Omit<Finding, "check"> {
  return { severity: "warning", text, hint };
}

function typeRule({ Type }: Shown, edit: string): ReturnType<Rule> {
  if (Type === "notify" || Type === "notify-reload") return undefined;
  const hint = `${edit}: [Service] Type=notify`;
  if (Type === "forking" || Type === "oneshot") {
    return {
      severity: "failure",
      text: `Type=${Type}: the start never ends, because the daemon stays`,
      hint,
    };
  }
  return warning(`Type=${Type}: systemd takes it for started before its journal is open`, hint);
}

/** Without a word about it Type=notify means main. */
function accessRule({ NotifyAccess, WatchdogUSec }: Shown, edit: string): ReturnType<Rule> {
  if (NotifyAccess !== "none") return undefined;
  const hint = `${edit}: [Service] NotifyAccess=main`;
  if (!isTimed(WatchdogUSec)) return warning("NotifyAccess=none: systemd does not hear the daemon", hint);
  return {
    severity: "failure",
    text: `NotifyAccess=none: systemd hears no ping, and kills the daemon after ${WatchdogUSec}`,
    hint,
  };
}

function isTimed(span: string): boolean {
  const ms = spanMs(span) ?? 0;
  return ms > 0 && ms < Infinity;
}

/** A slow SD card holds one fsync up for seconds; and what nobody notices for longer is an outage of its own. */
const watchdogMs = { least: 30_000, most: 600_000 };

function watchdogRule(
  { WatchdogUSec, ExecMainStartTimestampMonotonic }: Shown,
  edit: string,
): ReturnType<Rule> {
  const ms = spanMs(WatchdogUSec);
  const hint = `${edit}: [Service] WatchdogSec=60`;
  // Until a unit is started, systemd shows "infinity" whatever its file says.
  if (ms === Infinity && ExecMainStartTimestampMonotonic === "0") {
    return {
      severity: "skipped",
      text: "not tried: systemd tells WatchdogSec= only once the unit was started",
    };
  }
  if (ms === undefined || !isTimed(WatchdogUSec)) {
    return warning("no watchdog (WatchdogSec=): a daemon that is stuck stays so", hint);
  }
  if (ms < watchdogMs.least) {
    return warning(
      `WatchdogSec= is ${WatchdogUSec}: one slow fsync of an SD card is enough to be killed`,
      hint,
    );
  }
  if (ms <= watchdogMs.most) return undefined;
  return warning(`WatchdogSec= is ${WatchdogUSec}: a daemon that is stuck stays so for that long`, hint);
}

function restartRule({ Restart }: Shown, edit: string): ReturnType<Rule> {
  if (Restart === "always" || Restart === "on-failure") return undefined;
  const hint = `${edit}: [Service] Restart=always`;
  return warning(`Restart=${Restart}: after ${Restart === "no" ? "any" : "some"} crash it stays down`, hint);
}

function preventRule({ RestartPreventExitStatus, Restart }: Shown, edit: string): ReturnType<Rule> {
  if (Restart === "no" || RestartPreventExitStatus.split(" ").includes("78")) return undefined;
  return warning(
    "RestartPreventExitStatus= lacks 78: a bad configuration is started again and again, which mends nothing",
    `${edit}: [Service] RestartPreventExitStatus=78`,
  );
}

function limitRule({ StartLimitIntervalUSec, StartLimitBurst }: Shown, edit: string): ReturnType<Rule> {
  if (spanMs(StartLimitIntervalUSec) === 0 || StartLimitBurst === "0") return undefined;
  return warning(
    `after ${StartLimitBurst} starts within ${StartLimitIntervalUSec} systemd gives up, and nobody starts it again`,
    `${edit}: [Unit] StartLimitIntervalSec=0`,
  );
}

function killRule({ KillMode }: Shown, edit: string): ReturnType<Rule> {
  if (KillMode === "mixed" || KillMode === "control-group") return undefined;
  const hint = `${edit}: [Service] KillMode=mixed`;
  return warning(`KillMode=${KillMode}: a child that hangs outlives the daemon`, hint);
}

/** The daemon's own deadline is 10 s; after that come the databases. */
const leastStopMs = 15_000;

function stopRule({ TimeoutStopUSec }: Shown, edit: string): ReturnType<Rule> {
  const ms = spanMs(TimeoutStopUSec);
  if (ms === undefined || ms >= leastStopMs) return undefined;
  const text = `TimeoutStopSec= is ${TimeoutStopUSec}: it may be killed before its databases are closed, which takes 10 s and more`;
  return warning(text, `${edit}: [Service] TimeoutStopSec=20`);
}

function oomRule({ OOMPolicy }: Shown, edit: string): ReturnType<Rule> {
  if (OOMPolicy !== "stop" && OOMPolicy !== "kill") return undefined;
  return warning(
    `OOMPolicy=${OOMPolicy}: when the kernel takes the process that queries InfluxDB, the daemon goes with it`,
    `${edit}: [Service] OOMPolicy=continue`,
  );
}

/** 106 MB at rest, 170 MB with the streams process at work, and room for a burst. */
const leastMemoryBytes = 256 * 1024 * 1024;

function memoryRule({ MemoryMax }: Shown, edit: string): ReturnType<Rule> {
  const bytes = Number(MemoryMax);
  if (!(bytes > 0 && bytes < leastMemoryBytes)) return undefined;
  const text = `MemoryMax= is ${formatBytes(bytes)}: a burst of uplinks can need 250 MB, and the kernel kills the daemon for it`;
  return warning(text, `${edit}: [Service] MemoryMax=512M`);
}

function userRule({ User, DynamicUser }: Shown, edit: string): ReturnType<Rule> {
  const hint = `${edit}: [Service] User=flightline, DynamicUser=no`;
  if (DynamicUser === "yes") {
    return warning(
      "DynamicUser=yes: a new uid has systemd change the owner of every file of the journal",
      hint,
    );
  }
  if (User !== "" && User !== "root" && User !== "0") return undefined;
  return warning("it runs as root, and needs no right of root's", hint);
}

function privilegesRule({ Id, NoNewPrivileges, ProtectSystem, DropInPaths }: Shown): ReturnType<Rule> {
  const off = [
    ...(NoNewPrivileges === "no" ? ["NoNewPrivileges=no"] : []),
    ...(ProtectSystem === "no" ? ["ProtectSystem=no"] : []),
  ];
  if (off.length === 0) return undefined;
  const where = DropInPaths === "" ? "the unit" : `the unit or a drop-in (${dropIns(DropInPaths)})`;
  const text = `${off.join(" and ")}: ${where} takes away what limits a daemon that parses what a network sends`;
  return warning(
    text,
    `systemctl cat ${Id} shows where; sudo systemctl revert ${Id} takes all drop-ins back`,
  );
}
