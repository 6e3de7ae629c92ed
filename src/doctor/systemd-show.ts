/** What `systemctl show` says of the unit of Flightline. Reading it takes no rights. */
import { execFile } from "node:child_process";
import { errorText } from "../lib/fault.ts";

const properties = [
  "Id",
  "LoadState",
  "UnitFileState",
  "ActiveState",
  "SubState",
  "Result",
  "Type",
  "NotifyAccess",
  "WatchdogUSec",
  "Restart",
  "RestartPreventExitStatus",
  "StartLimitIntervalUSec",
  "StartLimitBurst",
  "NRestarts",
  "MainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "ExecMainStartTimestampMonotonic",
  "StateChangeTimestampMonotonic",
  "DropInPaths",
  "NeedDaemonReload",
  "User",
  "DynamicUser",
  "StateDirectory",
  "CacheDirectory",
  "LogsDirectory",
  "RuntimeDirectory",
  "ReadWritePaths",
  "ReadOnlyPaths",
  "InaccessiblePaths",
  "BindPaths",
  "ProtectSystem",
  "ProtectHome",
  "PrivateTmp",
  "NoNewPrivileges",
  "MemoryMax",
  "KillMode",
  "OOMPolicy",
  "TimeoutStopUSec",
] as const;

export type Shown = Readonly<Record<(typeof properties)[number], string>>;

/** The properties, or why there are none. */
export type ShowAnswer = { readonly shown: Shown } | { readonly why: string };

export interface ShowOptions {
  /** Instead of the program of that name in PATH. */
  readonly systemctl?: string | undefined;
  readonly timeoutMs?: number;
}

export async function showUnit(
  unit: string,
  signal: AbortSignal,
  { systemctl = "systemctl", timeoutMs = 5000 }: ShowOptions,
): Promise<ShowAnswer> {
  const args = ["show", "--no-pager", `--property=${properties.join(",")}`, "--", unit];
  return await new Promise((resolve) => {
    const options = {
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: 256 * 1024,
      encoding: "utf8",
      signal,
      // In a service's shell, it would speak for the service.
      env: { ...process.env, NOTIFY_SOCKET: undefined, LC_ALL: "C" },
    } as const;
    execFile(systemctl, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ shown: parseShown(stdout) });
      else if (error.killed === true)
        resolve({ why: `systemctl has not answered within ${timeoutMs / 1000} s` });
      else resolve({ why: (stderr.trim().split("\n")[0] ?? "") || errorText(error) });
    });
  });
}

/** Of one unit; what an older systemd does not know is "". Pure. */
export function parseShown(text: string): Shown {
  const found = new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf("=");
      return at === -1 ? ([line, ""] as const) : ([line.slice(0, at), line.slice(at + 1)] as const);
    }),
  );
  return Object.fromEntries(properties.map((key) => [key, found.get(key) ?? ""])) as Shown;
}

const unitsMs: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
};

/** "1min 30s", "500ms", "0"; Infinity for "infinity", undefined for what is no time span. systemd.time(7). Pure. */
export function spanMs(text: string): number | undefined {
  if (text === "infinity") return Infinity;
  if (text === "0") return 0;
  let sum = 0;
  for (const part of text.split(" ")) {
    const [, count, unit = ""] = /^([\d.]+)([a-z]+)$/.exec(part) ?? [];
    const unitMs = Object.hasOwn(unitsMs, unit) ? unitsMs[unit] : undefined;
    if (count === undefined || unitMs === undefined) return undefined;
    sum += Number(count) * unitMs;
  }
  return sum;
}

/** `/srv/a "/srv/with space" -/srv/maybe` → the paths, without what stands before them. Pure. */
export function pathList(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "").replace(/^[-+]+/, ""),
  );
}
