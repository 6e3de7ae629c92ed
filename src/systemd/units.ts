/**
 * What systemd says of our own unit and of the neighbours that data comes from and goes to: read by
 * `systemctl show`, never guessed.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/** Lowest layer first: when several are in trouble, the first of these is the cause. */
const roles = ["broker", "network_server", "database", "own"] as const;

export type UnitRole = (typeof roles)[number];

export interface Unit {
  /** "mosquitto.service". */
  readonly name: string;
  readonly role: UnitRole;
  /** active, reloading, inactive, failed, activating, deactivating. */
  readonly activeState: string;
  /** running, exited, dead, auto-restart, … */
  readonly subState: string;
  /** success, exit-code, signal, core-dump, watchdog, timeout, oom-kill, start-limit-hit, … */
  readonly result: string;
  /** Automatic restarts since somebody last started the unit. */
  readonly restarts: number;
  /** How its main process ended the last time; undefined while it never has. */
  readonly lastExit: UnitExit | undefined;
  /** Since when it is in this state: milliseconds since boot (CLOCK_MONOTONIC), which no clock step moves. */
  readonly sinceUptimeMs: number | undefined;
}

export interface UnitExit {
  readonly how: "exited" | "killed" | "dumped";
  /** The exit status, or the number of the signal. */
  readonly status: number;
}

export interface UnitsDeps {
  readonly pid?: number;
  /** Instead of the program of that name in PATH. */
  readonly systemctl?: string;
  readonly cgroupFile?: string;
  readonly timeoutMs?: number;
}

/**
 * Exact names are found also when they never ran, patterns only among the units that systemd has loaded.
 * Those of ChirpStack's helpers differ by vendor.
 */
const neighbours = [
  "mosquitto.service",
  "chirpstack.service",
  "chirpstack*.service",
  "influxdb.service",
  "influxdb3*.service",
];

const properties = [
  "Id",
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "NRestarts",
  "MainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "StateChangeTimestampMonotonic",
];

/** Lowest layer first; undefined where no service manager answers in time. */
export async function readUnits(signal: AbortSignal, deps: UnitsDeps = {}): Promise<Unit[] | undefined> {
  const cgroups = await readFile(deps.cgroupFile ?? "/proc/self/cgroup", "utf8").catch(() => "");
  const own = unitOfCgroup(cgroups);
  const names = own === undefined ? neighbours : [own, ...neighbours];
  const args = ["show", `--property=${properties.join(",")}`, "--", ...names];
  const text = await new Promise<string | undefined>((resolve) => {
    const options = {
      timeout: deps.timeoutMs ?? 2000,
      killSignal: "SIGKILL",
      maxBuffer: 256 * 1024,
      encoding: "utf8",
      signal,
      // It would say its own errors on our socket.
      env: { ...process.env, NOTIFY_SOCKET: undefined },
    } as const;
    execFile(deps.systemctl ?? "systemctl", args, options, (error, stdout) => {
      resolve(error === null ? stdout : undefined);
    });
  });
  return text === undefined ? undefined : parseUnits(text, deps.pid ?? process.pid);
}

/**
 * The service of the system's manager that this process belongs to, from /proc/self/cgroup; undefined in a
 * login session and below the manager of a user, whose units are another manager's. A process that a service
 * started belongs to it too: the main process of the unit is known only from `MainPID`.
 */
export function unitOfCgroup(text: string): string | undefined {
  for (const line of text.split("\n")) {
    // "0::/system.slice/x.service", or "1:name=systemd:…" where version 1 is in use (cgroups(7)).
    const path = /^\d+:(?:name=systemd)?:(.*)$/.exec(line)?.[1];
    const unit = path?.split("/").find((part) => part.endsWith(".service"));
    if (unit !== undefined) return unit.startsWith("user@") ? undefined : unit;
  }
  return undefined;
}

/**
 * The output of `systemctl show`: a paragraph of Key=value lines for each unit. Units that do not exist are
 * left out, and so is a service of which `ownPid` is not the main process, unless it is a neighbour's.
 */
export function parseUnits(text: string, ownPid: number): Unit[] {
  const units = new Map<string, Unit>();
  for (const paragraph of text.split(/\n{2,}/)) {
    const shown = new Map(paragraph.split("\n").map(keyAndValue));
    const unit = unitFrom(shown, ownPid);
    if (unit !== undefined) units.set(unit.name, unit);
  }
  return [...units.values()].toSorted(byLayer);
}

function keyAndValue(line: string): [string, string] {
  const at = line.indexOf("=");
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

function unitFrom(shown: ReadonlyMap<string, string>, ownPid: number): Unit | undefined {
  const name = shown.get("Id") ?? "";
  const role = Number(shown.get("MainPID")) === ownPid ? "own" : roleOf(name);
  if (name === "" || role === undefined || shown.get("LoadState") === "not-found") return undefined;
  const sinceUs = Number(shown.get("StateChangeTimestampMonotonic"));
  return {
    name,
    role,
    activeState: shown.get("ActiveState") ?? "",
    subState: shown.get("SubState") ?? "",
    result: shown.get("Result") ?? "",
    restarts: Number(shown.get("NRestarts")) || 0,
    lastExit: exitFrom(shown.get("ExecMainCode"), shown.get("ExecMainStatus")),
    sinceUptimeMs: sinceUs > 0 ? sinceUs / 1000 : undefined,
  };
}

function roleOf(name: string): UnitRole | undefined {
  if (name === "mosquitto.service") return "broker";
  if (name.startsWith("chirpstack")) return "network_server";
  return name.startsWith("influxdb") ? "database" : undefined;
}

/** The codes of SIGCHLD, sigaction(2): 0 is a process that still runs, or never did. */
function exitFrom(code: string | undefined, status: string | undefined): UnitExit | undefined {
  const how = ({ "1": "exited", "2": "killed", "3": "dumped" } as const)[code ?? ""];
  return how === undefined ? undefined : { how, status: Number(status) };
}

function byLayer(a: Unit, b: Unit): number {
  return roles.indexOf(a.role) - roles.indexOf(b.role) || (a.name < b.name ? -1 : 1);
}

/**
 * The unit that systemd starts again and again, the lowest layer first: it waits for its next start, or was
 * restarted between two readings. A counter that went down was reset by somebody who started the unit.
 */
export function restartLoop(before: readonly Unit[], now: readonly Unit[]): Unit | undefined {
  const restartsBefore = new Map(before.map(({ name, restarts }) => [name, restarts]));
  return now
    .toSorted(byLayer)
    .find(
      ({ name, activeState, subState, restarts }) =>
        (activeState === "activating" && subState.startsWith("auto-restart")) ||
        restarts > (restartsBefore.get(name) ?? restarts),
    );
}
