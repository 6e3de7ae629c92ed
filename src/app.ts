import { join } from "node:path";
import { decode } from "./chirpstack/decode.ts";
import type { Config } from "./config/config.ts";
import { createWriter, type LineWriter } from "./influx/writer.ts";
import { groupCountFor } from "./journal/commit-policy.ts";
import { Committer } from "./journal/committer.ts";
import { makeDataDirectory } from "./journal/directory.ts";
import { Journal } from "./journal/journal.ts";
import { damagedFault, quickCheck } from "./journal/quick-check.ts";
import { lockDirectory, unwritableFault } from "./journal/lock.ts";
import { aborted } from "./lib/abort.ts";
import { systemClock as clock } from "./lib/clock.ts";
import { FaultThrottle, type Log } from "./lib/log.ts";
import { Wakeup } from "./lib/wakeup.ts";
import { Source } from "./mqtt/source.ts";
import { ClockWatch } from "./pipeline/clock-trust.ts";
import { copyCounters, newCounters } from "./pipeline/counters.ts";
import { databaseFirst } from "./pipeline/database-first.ts";
import { DecodeMarker } from "./pipeline/decode-marker.ts";
import { Deduplicator } from "./pipeline/deduplicator.ts";
import { Forward } from "./pipeline/forward.ts";
import { ingest } from "./pipeline/ingest.ts";
import { LatencyWindow } from "./pipeline/latency.ts";
import type { Decode, QuarantinedMessage } from "./pipeline/ports.ts";
import { recoverFromDeath, rememberTail, sparing } from "./pipeline/recovery.ts";
import { report } from "./status/report.ts";
import type { Snapshot } from "./status/snapshot.ts";
import { clientIdOf, installationId } from "./state/client-id.ts";
import { quarantineEvictedFault } from "./state/faults.ts";
import { State } from "./state/state.ts";
import { type Part, type PartsOutcome, runParts } from "./supervision/parts.ts";
import { readBootId } from "./systemd/boot-id.ts";
import { clockSyncProbe } from "./systemd/clock-sync.ts";

/**
 * The composition root: configuration → parts → running daemon. Each room gets its slice of the
 * configuration and the things it needs; nothing is looked up.
 *
 * The way of an uplink: Source → ingest → Committer (PUBACK) → Forward (prepare, write) → settle.
 */
export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  /** A directory that lives as long as this boot (systemd's RUNTIME_DIRECTORY), if there is one. */
  readonly runtimeDir?: string | undefined;
  /** Tests plant a decoder of their own. */
  readonly decode?: Decode | undefined;
}

export interface App {
  snapshot(): Snapshot;
  /** Runs until `stop` aborts or a part fails; then everything is drained and closed. */
  run(stop: AbortSignal): Promise<PartsOutcome>;
}

const stopDeadlineMs = 10_000;
/** For what a check of the journal may take; 2 GiB on a slow card are not finished then. */
const checkTimeoutMs = 60_000;
const repeatFaultMs = 60_000;
/** Events remembered for recognising redeliveries: twenty full receive windows. */
const rememberedEvents = 20_000;

/** Opens the files. Faults: journal_unwritable, journal_locked (both fatal). */
export function openApp(options: AppOptions): App {
  using opened = new DisposableStack();
  const files = openFiles(options, opened);
  const shared = { counters: newCounters(), latency: new LatencyWindow(), activity: new Wakeup() };
  const clockWatch = openClockWatch(options, files, shared.activity);
  const { sources, committer } = openIngest(options, files, clockWatch, shared);
  const writer = createWriter(options.config.influx);
  const forward = openForward(options, files, clockWatch, committer, writer, shared);
  const snapshot = (): Snapshot => ({
    counters: copyCounters(shared.counters),
    journal: {
      lastSeq: files.journal.lastSeq,
      backlog: files.journal.backlog,
      evicted: files.journal.evicted,
      waiting: committer.waitingCount,
      lastCommitMs: committer.lastCommitMs,
    },
    quarantineEvicted: files.state.quarantineEvicted,
    sources: sources.map(({ name, status }) => ({
      name,
      state: status.state,
      connects: status.connects,
      lastFault: status.lastFault?.code,
    })),
    influxdb: forward.influxdb,
    latencyMs: { p50: shared.latency.percentileMs(0.5), p99: shared.latency.percentileMs(0.99) },
  });
  // In the order of the data, which is the order of stopping. The committer outlives the forwarder,
  // because its last commit saves what the forwarder settled.
  const stages: Part[][] = [
    sources.map((source) => ({ name: source.name, run: (drain) => source.run(drain) })),
    [{ name: "forward", run: (drain, abort) => forward.run(drain, abort) }],
    [{ name: "journal", run: (drain) => committer.run(drain) }],
    [
      { name: "clock", run: (drain) => clockWatch.run(drain) },
      { name: "report", run: (drain) => report(snapshot, options.log, drain) },
      { name: "check", run: (drain) => checkAfterUncleanStop(options, files, drain) },
    ],
  ];
  const owned = opened.move();
  return {
    snapshot,
    async run(stop) {
      using _files = owned;
      try {
        return await runParts(stages, stop, stopDeadlineMs);
      } finally {
        await writer.close();
      }
    },
  };
}

interface Files {
  readonly journal: Journal;
  readonly state: State;
  readonly marker: DecodeMarker;
  readonly deduplicator: Deduplicator;
  readonly quarantine: (entries: readonly QuarantinedMessage[]) => void;
  /** Part of the client ids. */
  readonly installation: string;
  readonly isAfterUncleanStop: boolean;
}

interface Shared {
  readonly counters: ReturnType<typeof newCounters>;
  readonly latency: LatencyWindow;
  /** "Look again": commits, outcomes of writes, the clock. */
  readonly activity: Wakeup;
}

/** The data directory, and what the last process left in it. What is open is closed by `opened`. */
function openFiles({ config, log, runtimeDir }: AppOptions, opened: DisposableStack): Files {
  const { dir } = config.journal;
  makeDataDirectory(dir);
  const { isAfterUncleanStop } = opened.adopt(lockDirectory(dir), (lock) => {
    lock.release();
  });
  const journal = opened.adopt(Journal.open(config.journal, clock, readBootId()), close);
  const state = opened.adopt(State.open(dir, clock.nowMs()), close);
  const installation = atDirectory(dir, () => installationId(dir));
  for (const fault of [...journal.openingFaults, ...state.openingFaults, installation.fault]) {
    if (fault !== undefined) log.fault(fault);
  }
  const quarantine = quarantineInto(state, journal.id, log);
  const markerDir = runtimeDir ?? dir;
  const marker = opened.adopt(
    atDirectory(markerDir, () => new DecodeMarker(markerDir, journal.id)),
    close,
  );
  const recordDeath = (seq: number): number => state.recordDeath(journal.id, seq);
  const death = recoverFromDeath(marker, journal, { recordDeath, quarantine });
  if (death !== undefined) log.fault(death);
  atDirectory(markerDir, () => {
    marker.arm();
  });
  const deduplicator = new Deduplicator(rememberedEvents);
  rememberTail(deduplicator, journal, rememberedEvents);
  return {
    journal,
    state,
    marker,
    deduplicator,
    quarantine,
    installation: installation.id,
    isAfterUncleanStop,
  };
}

function atDirectory<T>(dir: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw unwritableFault(dir, error);
  }
}

/** Quarantining, and saying now and then what had to leave the quarantine for it. */
function quarantineInto(state: State, journalId: string, log: Log): Files["quarantine"] {
  const throttle = new FaultThrottle(repeatFaultMs);
  let unsaid = 0;
  return (entries) => {
    const rows = entries.map(({ message, fault }) => ({
      ...message,
      code: fault.code,
      reason: fault.message,
    }));
    unsaid += state.quarantine(journalId, rows, clock.nowMs());
    if (unsaid === 0 || throttle.admit("evicted", clock.uptimeMs()) === undefined) return;
    log.fault(quarantineEvictedFault(unsaid));
    unsaid = 0;
  };
}

function close(file: { close(): void }): void {
  file.close();
}

function openClockWatch({ config, log }: AppOptions, { journal }: Files, released: Wakeup): ClockWatch {
  const clockWatch = new ClockWatch({
    clock,
    settings: config.clock,
    lastTrustedMs: journal.lastTrustedMs,
    log,
    released,
    isSynchronised: config.clock.ntp === "require" ? clockSyncProbe() : () => undefined,
    learnOffset: (offsetMs) => journal.boots.learnOffset(offsetMs),
    decideNoOffset: () => journal.boots.decideNoOffset(),
  });
  clockWatch.look();
  return clockWatch;
}

/** One committer, fed by every source. */
function openIngest(
  { config, log }: AppOptions,
  { journal, state, installation }: Files,
  clockWatch: ClockWatch,
  { counters, activity }: Shared,
): { readonly sources: readonly Source[]; readonly committer: Committer } {
  const sources: Source[] = [];
  const committer = new Committer({
    journal,
    commitIntervalMs: config.journal.commitIntervalMs,
    groupCount: () =>
      groupCountFor(
        sources.map(({ window, status }) => ({ window, isConnected: status.state === "connected" })),
      ),
    maxWaitingCount: 2 * Math.max(...config.mqtt.map(({ receiveMaximum }) => receiveMaximum)),
    clock,
    log,
    committed: activity,
  });
  for (const mqtt of config.mqtt) {
    const clientId = mqtt.clientId ?? clientIdOf(installation, mqtt.name);
    const identity = { config: mqtt, clientId, hadSession: state.hasConnected(clientId) };
    const connected = (): void => {
      const fault = state.recordConnection(clientId);
      if (fault !== undefined) log.fault(fault);
    };
    const intake = ingest({ source: mqtt.name, committer, clock, clockWatch, counters });
    sources.push(new Source({ ...identity, ...intake, connected, clock, log, random: Math.random }));
  }
  return { sources, committer };
}

function openForward(
  { config, log, decode: plantedDecode }: AppOptions,
  { journal, state, marker, deduplicator, quarantine }: Files,
  clockWatch: ClockWatch,
  committer: Committer,
  writer: LineWriter,
  { counters, latency, activity }: Shared,
): Forward {
  const { batchMaxLines, batchMaxBytes, batchMaxAgeMs, maxInFlight } = config.influx;
  return new Forward({
    log: committer,
    writer: databaseFirst(writer, (fault) => {
      log.fault(fault);
    }),
    quarantine: { quarantine },
    deduplicator,
    clockTrust: clockWatch,
    prepareDeps: {
      decode: sparing(state.quarantinedUnder("decode_killed_process"), plantedDecode ?? decode),
      marker,
      deduplicator,
      clock: clockWatch,
      offsetMs: (bootKey) => journal.boots.offsetMs(bootKey),
      settings: config.telemetry,
      counters,
    },
    limits: { maxLines: batchMaxLines, maxBytes: batchMaxBytes, maxAgeMs: batchMaxAgeMs },
    maxInFlight,
    counters,
    latency,
    clock,
    random: Math.random,
    logger: log,
    activity,
  });
}

/** A file that a power cut has damaged should be known before somebody needs what is in it. */
async function checkAfterUncleanStop(
  { config, log }: AppOptions,
  { isAfterUncleanStop }: Files,
  signal: AbortSignal,
): Promise<void> {
  if (isAfterUncleanStop) {
    const file = join(config.journal.dir, "journal.db");
    const result = await quickCheck(file, checkTimeoutMs, signal);
    if (result === "damaged") log.fault(damagedFault(file));
    else if (!signal.aborted) log.info("checked the journal after an unclean stop", { result });
  }
  await aborted(signal);
}
