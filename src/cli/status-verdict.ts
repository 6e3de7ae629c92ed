/** What a daemon's status comes to: is it well, and if not, what is the cause? Pure. */
import { layers, type Layer } from "../lib/fault.ts";
import type {
  DaemonStatus,
  FaultStatus,
  PartStatus,
  TroubleStatus,
  UnitStatus,
} from "../status/daemon-status.ts";

export interface Cause {
  readonly message: string;
  /** Of its fault, if there is one. */
  readonly code: string | undefined;
  readonly hint: string | undefined;
}

/** Of several causes the first is the lowest one, which has to be mended before the others. */
export type Verdict =
  | { readonly kind: "well"; readonly doubts: readonly Cause[] }
  | { readonly kind: "safe"; readonly cause: Cause }
  | { readonly kind: "trouble"; readonly causes: readonly [Cause, ...Cause[]] };

/**
 * Lowest layer first: this machine (disk, memory, configuration); the daemon itself, when it is stuck; a
 * neighbour that systemd starts again and again, which explains why it cannot be reached; what the daemon
 * complains of, but for what another of its complaints explains; and what nobody has complained of, but is not as it
 * should be. What is only doubtful comes last, and a daemon with no other trouble is well.
 */
export function verdictOf(status: DaemonStatus): Verdict {
  const { mode } = status;
  const troubles = status.troubles.filter(isBad).filter(({ behind }) => behind === undefined);
  const doubts = [
    ...status.troubles.filter((trouble) => !isBad(trouble)).map(fromFault),
    ...deadLines(status),
  ];
  const isHere = ({ layer }: { readonly layer: Layer }): boolean =>
    layers.indexOf(layer) <= layers.indexOf("journal");
  const loops = (status.units ?? []).filter(({ isLooping }) => isLooping);
  const [first, ...rest] = [
    ...troubles.filter(isHere).map(fromFault),
    ...stuck(status),
    ...loops.filter(({ isOurs }) => !isOurs).map(fromLoop),
    ...troubles.filter((trouble) => !isHere(trouble) && !isLoop(trouble.where, loops)).map(fromFault),
    ...unspoken(status),
    ...loops.filter(({ isOurs }) => isOurs).map(fromLoop),
  ];
  if (first !== undefined) return { kind: "trouble", causes: [first, ...rest, ...doubts] };
  return mode.kind === "safe" ? { kind: "safe", cause: safeMode(mode) } : { kind: "well", doubts };
}

/** An older daemon says no severity. */
function isBad({ severity }: TroubleStatus): boolean {
  return severity !== "doubtful";
}

function fromFault({ code, message, hint }: FaultStatus): Cause {
  return { code, message, hint };
}

function stuck({ unhealthy, service }: DaemonStatus): Cause[] {
  if (unhealthy === "") return [];
  const hint =
    service.watchdogMs === undefined
      ? "see journalctl -u flightline, then systemctl restart flightline"
      : `systemd kills and restarts it when that has lasted ${service.watchdogMs / 1000} s`;
  return [{ code: undefined, message: `flightline is stuck: ${unhealthy}`, hint }];
}

function isLoop(where: string, loops: readonly UnitStatus[]): boolean {
  return loops.some(({ unit }) => unit === where);
}

function fromLoop({ unit, restarts, lastExit }: UnitStatus): Cause {
  const how = lastExit === undefined ? "" : ` (${lastExit})`;
  return {
    code: undefined,
    message: `${unit} is in a restart loop: ${restarts} restarts${how}`,
    hint: `see why it ends: journalctl -u ${unit} -n 50`,
  };
}

export function safeMode(mode: Extract<DaemonStatus["mode"], { kind: "safe" }>): Cause {
  const suspect = mode.suspect === undefined ? "" : `, probably of "${mode.suspect}"`;
  return {
    code: undefined,
    message: `safe mode after ${mode.uncleanStarts} crashes${suspect}: only what receives and forwards is running`,
    hint: "the crashes are in the log: journalctl -u flightline",
  };
}

/** They are nobody's trouble any more, and stay until somebody looks at them. */
function deadLines({ snapshot: { kept } }: DaemonStatus): Cause[] {
  if (kept === undefined || kept.deadLines === 0) return [];
  return [
    {
      code: undefined,
      message:
        kept.deadLines === 1
          ? "a line that InfluxDB has refused is kept"
          : `${kept.deadLines.toLocaleString("en-US")} lines that InfluxDB has refused are kept`,
      hint: "flightline buffer list --dead shows why; what is mended goes back with flightline buffer requeue --dead",
    },
  ];
}

/** What is not as it should be, and is in no fault that is told. */
function unspoken({ parts, snapshot, troubles }: DaemonStatus): Cause[] {
  const told = new Set(troubles.filter(isBad).map(({ where }) => where));
  const isNew = ({ name }: { readonly name: string }): boolean => !told.has(name);
  const away = snapshot.databases.filter(({ state }) => state === "away").filter(isNew);
  const waiting = snapshot.sources.filter(({ state }) => state === "waiting").filter(isNew);
  const known = new Set([...told, ...waiting.map(({ name }) => name)]);
  return [
    ...waiting.map(({ name, lastFault }) => ({
      code: lastFault,
      message: `the broker of "${name}" is away`,
      hint: undefined,
    })),
    ...away.map(({ name }) => ({
      code: undefined,
      message: `the database "${name}" takes no writes`,
      hint: undefined,
    })),
    ...parts.filter((part) => hasFailed(part) && !known.has(part.name)).map(fromPart),
  ];
}

/** A part that has ended without a fault had done what it was for. */
function hasFailed({ state, lastFault }: PartStatus): boolean {
  if (state === "ended") return lastFault !== undefined;
  return state === "waiting" || state === "parked" || state === "stuck";
}

function fromPart({ name, state, lastFault }: PartStatus): Cause {
  return lastFault === undefined
    ? { code: undefined, message: `the part "${name}" is ${state}`, hint: undefined }
    : fromFault(lastFault);
}
