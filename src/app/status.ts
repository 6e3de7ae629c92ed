/** The daemon as it describes itself: on the control socket, in `systemctl status`. */
import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { type Fault, layers } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";
import type { Source } from "../mqtt/source.ts";
import { commonCause } from "../net/common-cause.ts";
import type { Forward } from "../pipeline/forward.ts";
import type { SchemaKeeper } from "../pipeline/schema-keeper.ts";
import type { Starts } from "../state/starts.ts";
import type {
  DaemonStatus,
  FaultStatus,
  PartStatus,
  StartStatus,
  StreamsProcessStatus,
  TroubleStatus,
  UnitStatus,
} from "../status/daemon-status.ts";
import { connectedCount, influxdbState, type Snapshot } from "../status/snapshot.ts";
import type { StreamsStatus } from "../streams/port.ts";
import type { ChildStatus, FaultSummary } from "../supervision/child.ts";
import type { StartMode } from "../supervision/crash-guard.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import type { Notifier } from "../systemd/notify.ts";
import { readUnits, restartLoop, type Unit } from "../systemd/units.ts";
import type { AppOptions } from "./options.ts";
import type { Rates } from "./rates.ts";
import { unhealthyText } from "./service.ts";
import type { Waiting } from "./starts.ts";

/** A database: whether it takes writes, and whether its columns are known. */
interface Watched {
  readonly name: string;
  readonly forward: Pick<Forward, "trouble">;
  readonly columns: Pick<SchemaKeeper, "trouble">;
}

export interface StatusDeps {
  /** As of the last reload. */
  readonly options: () => AppOptions;
  readonly starts: Pick<Starts, "recorded">;
  readonly clock: Clock;
  readonly startedMs: number;
  readonly mode: StartMode;
  readonly waiting: readonly Waiting[];
  readonly rates: Rates;
  readonly notifier: Notifier;
  readonly supervisor: Pick<Supervisor, "status" | "health" | "worstLoopDelayMs">;
  sources(): readonly Pick<Source, "name" | "status">[];
  destinations(): readonly Watched[];
  snapshot(): Snapshot;
  streams(): StreamsStatus;
  /** Why nothing is committed just now. */
  journalTrouble(): Fault | undefined;
  /** What the last reload could not carry out. */
  reloadTrouble(): Fault | undefined;
  /** Undefined: nothing waits, or nobody can tell since when. */
  oldestUnsentS(): number | undefined;
}

const newestStarts = 10;
/** A loop of the quickest kind (RestartSec=100ms) ends in systemd's own limit before that; all others are seen. */
const unitsEveryMs = 30_000;

export class StatusTeller {
  readonly #deps: StatusDeps;
  #units: readonly UnitStatus[] | undefined;
  /** What they are made of: a loop is seen by a counter that has grown since the reading before. */
  #unitsBefore: readonly Unit[] = [];
  /** What the log was told last of the network. */
  #networkFault: string | undefined;

  constructor(deps: StatusDeps) {
    this.#deps = deps;
  }

  status(): DaemonStatus {
    const { clock, startedMs, rates, notifier, supervisor } = this.#deps;
    const { version, config } = this.#deps.options();
    const uptimeMs = clock.uptimeMs() - startedMs;
    return {
      version,
      nodeJs: process.version,
      node: config.node,
      pid: process.pid,
      startedAtMs: clock.nowMs() - uptimeMs,
      uptimeMs,
      mode: this.#mode(),
      unhealthy: unhealthyText(supervisor.health()),
      loopDelayMs: supervisor.worstLoopDelayMs(),
      dataDir: config.journal.dir,
      oldestUnsentAgoMs: inMs(this.#deps.oldestUnsentS()),
      residentBytes: process.memoryUsage.rss(),
      parts: supervisor.status().map((part) => this.#part(part)),
      streams: streamsStatus(this.#deps.streams()),
      troubles: troublesOf(this.#complaints()),
      snapshot: this.#deps.snapshot(),
      rates: rates.perSecond,
      starts: this.#starts(),
      units: this.#units,
      service: {
        way: notifier.way,
        watchdogMs: notifier.watchdogMs,
        lastFault: notifier.lastFault === undefined ? undefined : faultStatus(notifier.lastFault),
      },
    };
  }

  /** One line for `systemctl status`. */
  line(): string {
    const { rates } = this.#deps;
    const snapshot = this.#deps.snapshot();
    const { sources, databases, journal } = snapshot;
    const unhealthy = unhealthyText(this.#deps.supervisor.health());
    const trouble = this.#deps.journalTrouble();
    const common = networkCause(this.#complaints());
    const troubled = this.#deps.supervisor
      .status()
      .filter(({ state }) => state === "waiting" || state === "parked" || state === "stuck")
      .map(({ name, state }) => `${name} ${state}`);
    return [
      ...(unhealthy === "" ? [] : [`stuck: ${unhealthy}`]),
      ...(this.#mode().kind === "safe" ? ["safe mode"] : []),
      ...(trouble === undefined ? [] : [`nothing is taken in: ${trouble.message}`]),
      ...(common === undefined ? [] : [common.fault.message]),
      `${connectedCount(snapshot)} of ${sources.length} brokers`,
      `InfluxDB ${influxdbState({ databases })}`,
      `backlog ${journal.backlog}`,
      `${rates.perSecond.received.toFixed(1)}/s in, ${rates.perSecond.written.toFixed(1)}/s written`,
      ...troubled,
    ].join(", ");
  }

  #mode(): DaemonStatus["mode"] {
    const { mode, waiting, clock } = this.#deps;
    if (mode.mode === "normal" || waiting.length === 0) return { kind: "normal" };
    const nowMs = clock.uptimeMs();
    return {
      kind: "safe",
      uncleanStarts: mode.uncleanStarts,
      suspect: mode.suspect,
      waiting: waiting.map(({ child, startsAtMs }) => ({
        part: child.name,
        startsInMs: Math.max(0, startsAtMs - nowMs),
      })),
    };
  }

  #part({ sinceMs, nextTryMs, ...part }: ChildStatus): PartStatus {
    const nowMs = this.#deps.clock.uptimeMs();
    return {
      ...part,
      sinceAgoMs: nowMs - sinceMs,
      nextTryInMs: nextTryMs === undefined ? undefined : Math.max(0, nextTryMs - nowMs),
    };
  }

  /** What brokers, databases and parts suffer from just now, each by itself. */
  #complaints(): TroubleStatus[] {
    const parts = this.#deps.supervisor
      .status()
      .flatMap(({ name, state, lastFault }) => (state === "running" ? [] : troubleOf(name, lastFault)));
    const troubles = [
      ...troubleOf("configuration", this.#deps.reloadTrouble()),
      ...troubleOf("journal", this.#deps.journalTrouble()),
      ...this.#deps.sources().flatMap(({ name, status }) => troubleOf(name, status.lastFault)),
      ...this.#deps.destinations().flatMap(troubleOfDatabase),
    ];
    // What made a part fail may be said by its neighbour already.
    const said = new Set(troubles.map(({ message }) => message));
    troubles.push(...parts.filter(({ message }) => !said.has(message)));
    return troubles;
  }

  #starts(): StartStatus[] {
    return this.#deps.starts
      .recorded()
      .slice(-newestStarts)
      .toReversed()
      .map(({ startedAtMs, end, part, faultCode, message }) => ({
        startedAtMs,
        end,
        part,
        fault:
          faultCode === undefined ? undefined : { code: faultCode, message: message ?? "", hint: undefined },
      }));
  }

  /** Looks at systemd's units and at the network around us now and then, until aborted. */
  async watchSurroundings(signal: AbortSignal, beat: Beat): Promise<void> {
    while (!signal.aborted) {
      beat();
      this.#lookAtNetwork();
      await this.#lookAtUnits(signal);
      await sleep(unitsEveryMs, signal);
    }
  }

  /** Each part has said its own; what they have in common is said once, and when it is over. */
  #lookAtNetwork(): void {
    const { log } = this.#deps.options();
    const fault = networkCause(this.#complaints())?.fault;
    if (fault?.code === this.#networkFault) return;
    this.#networkFault = fault?.code;
    if (fault === undefined) log.info("the network is no longer what several parts fail by");
    else log.fault(fault);
  }

  async #lookAtUnits(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const units = await readUnits(signal);
    if (units === undefined) {
      this.#units = undefined;
      return;
    }
    const looping = restartLoop(this.#unitsBefore, units);
    this.#unitsBefore = units;
    const bootedAtMs = clock.nowMs() - clock.uptimeMs();
    this.#units = units.map((unit) => ({
      unit: unit.name,
      isOurs: unit.role === "own",
      activeState: unit.activeState,
      subState: unit.subState,
      result: unit.result,
      restarts: unit.restarts,
      lastExit: unit.lastExit === undefined ? undefined : `${unit.lastExit.how} ${unit.lastExit.status}`,
      sinceAtMs: unit.sinceUptimeMs === undefined ? undefined : bootedAtMs + unit.sinceUptimeMs,
      isLooping: unit === looping,
    }));
  }
}

const network = "network";

/** Lowest layer first; the network in front of what it explains, which stays. */
function troublesOf(complaints: readonly TroubleStatus[]): readonly TroubleStatus[] {
  const common = networkCause(complaints);
  const explained = new Set(common?.behind.map(({ fault }) => fault));
  return [
    ...troubleOf(network, common?.fault),
    ...complaints.map((trouble) => (explained.has(trouble) ? { ...trouble, behind: network } : trouble)),
  ].toSorted((one, other) => layers.indexOf(one.layer) - layers.indexOf(other.layer));
}

/** Where the work goes on all the same, the network is there. */
function networkCause(complaints: readonly TroubleStatus[]) {
  const bad = complaints.filter(({ severity }) => severity === "bad");
  return commonCause(bad.map((fault) => ({ where: fault.where, fault })));
}

function troubleOf(
  where: string,
  fault: FaultSummary | undefined,
  severity: TroubleStatus["severity"] = "bad",
): TroubleStatus[] {
  return fault === undefined ? [] : [{ ...faultStatus(fault), layer: fault.layer, where, severity }];
}

/** One that takes no writes has worse troubles than columns that nobody can ask for. */
function troubleOfDatabase({ name, forward, columns }: Watched): TroubleStatus[] {
  if (forward.trouble !== undefined) return troubleOf(name, forward.trouble);
  return troubleOf(name, columns.trouble, "doubtful");
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1000);
}

function streamsStatus({
  vitals,
  lastFault,
  lastQueryFault,
  parkedRequests,
  ...status
}: StreamsStatus): StreamsProcessStatus {
  const { state, pid, starts, failures, underWay, waiting, answered, faulted } = status;
  return {
    state,
    pid,
    residentBytes: vitals?.rssBytes,
    starts,
    failures,
    lastFault: lastFault && faultStatus(lastFault),
    queries: {
      underWay,
      waiting,
      answered,
      faulted,
      parked: parkedRequests.length,
      lastFault: lastQueryFault && faultStatus(lastQueryFault),
    },
  };
}

function faultStatus({ code, message, hint }: FaultStatus): FaultStatus {
  return { code, message, hint };
}
