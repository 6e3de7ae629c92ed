/**
 * What the daemon consists of, as children of its supervisor: `partsOf` is the table of contents. What is around the
 * way of an event is put together here; sources, forwarders and the registry come from where they are opened.
 */
import type { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Beat } from "../lib/pulse.ts";
import type { ClockWatch } from "../pipeline/clock-trust.ts";
import { runControlSocket } from "../status/control.ts";
import { controlPath } from "../status/control-path.ts";
import { report } from "../status/report.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { Streams } from "../streams/streams.ts";
import type { Child } from "../supervision/child.ts";
import type { Unhealthy } from "../supervision/heartbeat.ts";
import type { Notifier } from "../systemd/notify.ts";
import type { MessageBuffer } from "./buffer.ts";
import { checkAfterUncleanStop } from "./check.ts";
import { child, criticalChild, progressDeadlineMs } from "./children.ts";
import type { Delivery } from "./delivery.ts";
import type { Files } from "./files.ts";
import { memoryMeans, saveMemoryAtRest } from "./memory-at-rest.ts";
import type { Neighbour, NeighbourWatch } from "./neighbours.ts";
import type { AppOptions, Shared } from "./options.ts";
import type { Rates } from "./rates.ts";
import { runSalvage } from "./salvage.ts";
import { runService, unhealthyText } from "./service.ts";
import { type Placed, recordCalm, resume, type Waiting } from "./starts.ts";
import type { StatusTeller } from "./status.ts";
import { streamsChild } from "./streams.ts";
import { watchFiles } from "./watch-files.ts";

/** In the order of the data, which is the order of stopping. */
export const stages = { sources: 0, readers: 1, journal: 2, others: 3 } as const;

const reportDeadlineMs = 900_000;
const checkDeadlineMs = 180_000;
/** A look through a large file on a slow card, before the first of its messages is handed over. */
const salvageDeadlineMs = 900_000;

/** What the parts around the way of an event need. The functions are asked when a part runs, and not before. */
export interface RestOfParts {
  /** As of the last reload. */
  readonly options: () => AppOptions;
  readonly files: Files;
  readonly notifier: Notifier;
  readonly shared: Shared;
  readonly clockWatch: ClockWatch;
  readonly committer: Committer;
  readonly streams: Streams;
  readonly buffer: MessageBuffer;
  readonly rates: Rates;
  readonly watch: NeighbourWatch;
  readonly waiting: () => readonly Waiting[];
  readonly neighbours: () => readonly Neighbour[];
  readonly snapshot: () => Snapshot;
  readonly health: () => Unhealthy | undefined;
  readonly teller: () => StatusTeller;
  /** Takes it out of `waiting`. */
  readonly startWaiting: (next: Waiting) => Promise<void>;
}

/** All of them; after a row of crashes those that can wait are started one by one in this order. */
export function partsOf(sources: readonly Child[], delivery: Delivery, rest: RestOfParts): Placed[] {
  const { options, files, clockWatch, committer, snapshot } = rest;
  const { log, start } = options();
  const usual = progressDeadlineMs;
  const others = [
    criticalChild("files", usual, (drain, _abort, beat) => watchFiles({ ...files, log }, drain, beat)),
    streamsChild(rest.streams),
    child("salvage", salvageDeadlineMs, (drain, _abort, beat) => salvage(rest, drain, beat), "transient"),
    child("clock", usual, (drain, _abort, beat) => clockWatch.run(drain, beat)),
    child("service", usual, (drain, _abort, beat) => service(rest, drain, beat)),
    child("units", 2 * usual, (drain, _abort, beat) => rest.teller().watchSurroundings(drain, beat)),
    child("control", usual, (drain, _abort, beat) => control(rest, drain, beat)),
    child("resume", usual, (drain, _abort, beat) => resumeAll(rest, drain, beat), "transient"),
    ...(start === undefined
      ? []
      : [child("calm", Infinity, (drain) => recordCalm(files.state.starts, drain), "transient")]),
    child("report", reportDeadlineMs, (drain, _abort, beat) => report(snapshot, log, drain, beat)),
    child("memory", usual, (drain, _abort, beat) => saveMemoryAtRest(memoryMeans(), drain, beat)),
    child("check", checkDeadlineMs, (drain) => checkAfterUncleanStop(options(), files, drain), "temporary"),
  ];
  return [
    ...sources.map((one): Placed => [one, stages.sources]),
    ...deliveryParts(delivery),
    [criticalChild("journal", usual, (drain, _abort, beat) => committer.run(drain, beat)), stages.journal],
    ...others.map((one): Placed => [one, stages.others]),
  ];
}

/** The committer outlives what reads the journal, because its last commit saves what they settled and made. */
export function deliveryParts({ readers, keepers }: Delivery): Placed[] {
  return [
    ...readers.map((one): Placed => [one, stages.readers]),
    ...keepers.map((one): Placed => [one, stages.others]),
  ];
}

async function salvage(
  { options, files: { journal, state }, committer }: RestOfParts,
  signal: AbortSignal,
  beat: Beat,
): Promise<void> {
  const { config, log } = options();
  await runSalvage({ dir: config.journal.dir, journal, committer, state, clock, log }, signal, beat);
}

async function service(rest: RestOfParts, signal: AbortSignal, beat: Beat): Promise<void> {
  const { notifier, rates, watch, neighbours, health, shared, committer } = rest;
  const deps = {
    notifier,
    clock,
    log: rest.options().log,
    startedMs: shared.startedMs,
    rates,
    watch,
    counters: () => shared.counters,
    neighbours,
    hasNothingToWrite: () => committer.backlog === 0,
    health,
    statusText: () => rest.teller().line(),
  };
  await runService(deps, signal, beat);
}

async function control(rest: RestOfParts, signal: AbortSignal, beat: Beat): Promise<void> {
  const { config, runtimeDir } = rest.options();
  const path = controlPath(runtimeDir, config.journal.dir);
  const status = () => rest.teller().status();
  const health = (): string => unhealthyText(rest.health());
  await runControlSocket({ path, status, health, buffer: rest.buffer, beat, ready: () => {} }, signal);
}

async function resumeAll(
  { waiting, startWaiting }: RestOfParts,
  signal: AbortSignal,
  beat: Beat,
): Promise<void> {
  await resume(waiting(), startWaiting, clock, signal, beat);
}
