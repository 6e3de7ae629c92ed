/** The daemon as it describes itself: on the control socket, in `systemctl status`. */
import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";
import type { Source } from "../mqtt/source.ts";
import { hostOf } from "../net/url-host.ts";
import type { Starts } from "../state/starts.ts";
import type {
  DaemonStatus,
  PartStatus,
  StartStatus,
  StreamsProcessStatus,
  TroubleStatus,
  UnitStatus,
} from "../status/daemon-status.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { StreamsStatus } from "../streams/port.ts";
import type { ChildStatus } from "../supervision/child.ts";
import type { StartMode } from "../supervision/crash-guard.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import type { Notifier } from "../systemd/notify.ts";
import { readUnits, restartLoop, type Unit } from "../systemd/units.ts";
import { Drain } from "./drain.ts";
import type { AppOptions } from "./options.ts";
import type { Rates } from "./rates.ts";
import { unhealthyText } from "./service.ts";
import type { Waiting } from "./starts.ts";
import { statusLine } from "./status-line.ts";
import {
  about,
  type Complained,
  faultStatus,
  networkCause,
  troubleOf,
  troubleOfDatabase,
  troublesOf,
  type Watched,
} from "./troubles.ts";

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
  readonly #drain = new Drain();
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
      troubles: this.#troubles(),
      snapshot: this.#look(),
      drain: this.#drain.status,
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

  /** One line for `systemctl status`. Asked every few seconds, it sees how the backlog drains. */
  line(): string {
    const { rates, supervisor } = this.#deps;
    return statusLine({
      snapshot: this.#look(),
      drain: this.#drain.status,
      rates: rates.perSecond,
      unhealthy: unhealthyText(supervisor.health()),
      held: this.#deps.destinations().flatMap(({ forward }) => forward.held ?? []),
      isSafe: this.#mode().kind === "safe",
      journalTrouble: this.#deps.journalTrouble()?.message,
      networkTrouble: this.#networkCause()?.fault.message,
      parts: supervisor.status(),
    });
  }

  #look(): Snapshot {
    const snapshot = this.#deps.snapshot();
    this.#drain.look(snapshot, this.#deps.clock.uptimeMs());
    return snapshot;
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
  #complaints(): Complained[] {
    const { influx } = this.#deps.options().config;
    const parts = this.#deps.supervisor
      .status()
      .flatMap(({ name, state, lastFault }) => (state === "running" ? [] : troubleOf(name, lastFault)));
    const complaints = [
      ...about(undefined, troubleOf("configuration", this.#deps.reloadTrouble())),
      ...about(undefined, troubleOf("journal", this.#deps.journalTrouble())),
      ...this.#deps
        .sources()
        .flatMap(({ name, status }) => about(this.#hostOf(name), troubleOf(name, status.lastFault))),
      // All routes lead to the server of [influxdb].
      ...about(hostOf(influx), this.#deps.destinations().flatMap(troubleOfDatabase)),
    ];
    // What made a part fail may be said by its neighbour already.
    const said = new Set(complaints.map(({ trouble }) => trouble.message));
    complaints.push(...about(undefined, parts).filter(({ trouble }) => !said.has(trouble.message)));
    return complaints;
  }

  /** Of a source. */
  #hostOf(source: string): string | undefined {
    const config = this.#deps.options().config.mqtt.find(({ name }) => name === source);
    return config && hostOf(config);
  }

  /**
   * InfluxDB counts as connected by no means: that it took the last write says nothing of now. A broker is asked all
   * the time (keep-alive).
   */
  #networkCause(complaints: readonly Complained[] = this.#complaints()) {
    const connected = this.#deps.sources().filter(({ status }) => status.state === "connected");
    return networkCause(
      complaints,
      connected.flatMap(({ name }) => this.#hostOf(name) ?? []),
    );
  }

  #troubles(): readonly TroubleStatus[] {
    const complaints = this.#complaints();
    return troublesOf(complaints, this.#networkCause(complaints));
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
    const fault = this.#networkCause()?.fault;
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
