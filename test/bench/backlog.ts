/**
 * The return after an outage: how fast a backlog drains while fresh uplinks arrive beside it, how soon and how late
 * the fresh ones are in the database, what a buffered uplink costs the disk, and how much memory a daemon needs that
 * holds a backlog and waits.
 *
 * Two backlogs: one that the daemon has taken from the broker itself while the database refused connections, and one
 * ten times as large that it found in its journal when it started. Fresh uplinks come at a steady rate from before the
 * return until well after the drain: what they see then is what they are compared with.
 *
 * `node test/bench/backlog.ts --messages 20000` runs both with fewer.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { observeMqtt } from "../support/observe-mqtt.ts";
import type { MqttTraffic } from "../support/observe-mqtt.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { pubackLatenciesMs } from "../support/puback-latencies.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { cpuMs } from "../support/usage.ts";
import { freshAfterOutage } from "../../src/pipeline/work.ts";
import { BacklogDaemon, BacklogFolder, backlogSource, maxSizeBytes } from "./rig/backlog-daemon.ts";
import { fillJournal } from "./rig/backlog-fill.ts";
import { type Return, spread, watchedReturn } from "./rig/backlog-return.ts";
import { BacklogSink } from "./rig/backlog-sink.ts";
import { assertNothingDropped, startBroker } from "./rig/broker.ts";
import { monotonicMs, printNote, printTable, quantile } from "./rig/figures.ts";
import { Publisher } from "./rig/publisher.ts";

const drainAimPerSecond = 5000;
const freshLimitMs = 5000;
const memoryLimitMb = 130;
const freshPerSecond = 20;
/** Before the return, so that they are steady by then. */
const freshBeforeSeconds = 3;
const freshAfterSeconds = 15;
/** They are published in portions, because nobody knows how long the drain takes. */
const portionSeconds = 2;
/** Fresh uplinks and rows of its own: always under way. */
const underWayCount = 200;
/** Without anything to do, before memory is read. */
const restMs = { filledByBroker: 10_000, found: 60_000 };
const drainTimeoutMs = 420_000;
/** The publisher counts from 0: what the journal was filled with has other numbers. */
const foundFirst = 500_000_000;
const fewestLinesPerUplink = 4;

interface Case {
  readonly title: string;
  readonly count: number;
  readonly isFound: boolean;
}

interface Figures {
  readonly title: string;
  readonly count: number;
  readonly seen: Return;
  readonly diskBytes: number;
  readonly payloadBytes: number;
  readonly memory: { readonly rssMb: number; readonly pssMb: number };
  readonly peakMb: number;
  readonly cpuMsPerThousand: number;
  readonly pubackMs: { readonly during: readonly number[]; readonly after: readonly number[] };
}

interface Rig {
  readonly broker: Mosquitto;
  readonly traffic: MqttTraffic;
  readonly publisher: Publisher;
  readonly sink: BacklogSink;
  readonly folder: BacklogFolder;
  readonly daemon: BacklogDaemon;
  readonly payloadBytes: number;
}

async function rig(stack: AsyncDisposableStack, { count, isFound }: Case): Promise<Rig> {
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const proxy = await TcpProxy.start(broker.port);
  stack.defer(() => proxy.stop());
  const traffic = observeMqtt(proxy);
  const first = firstOf(isFound);
  const sink = await BacklogSink.start({ backlogFirst: first, backlogEnd: first + count });
  stack.defer(() => sink.stop());
  const folder = await BacklogFolder.make();
  stack.defer(() => folder.remove());
  const filling = { dir: folder.dataDir, first, count, source: backlogSource, maxSizeBytes };
  const filled = isFound ? await fillJournal(filling) : undefined;
  const daemon = await BacklogDaemon.start(folder, { broker, mqttPort: proxy.port, sinkPort: sink.port });
  stack.defer(() => daemon.remove());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  if (!isFound) await publisher.closedLoop(count, () => traffic.acknowledged.length);
  const payloadBytes = filled?.meanPayloadBytes ?? publisher.meanPayloadBytes;
  return { broker, traffic, publisher, sink, folder, daemon, payloadBytes };
}

/** The number of the first uplink of the backlog. */
function firstOf(isFound: boolean): number {
  return isFound ? foundFirst : 0;
}

async function publishFresh(publisher: Publisher, seconds: number): Promise<void> {
  await publisher.atRate(freshPerSecond, seconds);
}

/** Fresh uplinks go on meanwhile. */
async function untilDrained({ daemon, publisher }: Rig): Promise<number> {
  const deadlineMs = monotonicMs() + drainTimeoutMs;
  let peakMb = 0;
  for (;;) {
    await publishFresh(publisher, portionSeconds);
    peakMb = Math.max(peakMb, daemon.memory.rssMb);
    const left = daemon.unsettled;
    if (left <= underWayCount) return peakMb;
    if (monotonicMs() > deadlineMs) throw new Error(`of the backlog ${left} were left after the time for it`);
  }
}

async function measure(one: Case): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const ours = await rig(stack, one);
  const { broker, traffic, publisher, sink, folder, daemon, payloadBytes } = ours;
  const diskBytes = folder.journalBytes / one.count;
  await daemon.quiet();
  await delay(one.isFound ? restMs.found : restMs.filledByBroker);
  const { memory } = daemon;

  const freshFrom = publisher.published;
  await publishFresh(publisher, freshBeforeSeconds);
  const beforeMs = cpuMs(daemon.pid);
  const returnedMs = await sink.comeBack();
  const peakMb = await untilDrained(ours);
  const cpuMsPerThousand = (1000 * (cpuMs(daemon.pid) - beforeMs)) / one.count;
  await publishFresh(publisher, freshAfterSeconds);
  // What is not there within the limit counts as missing.
  await delay(freshLimitMs);

  assertNothingDropped(broker);
  await daemon.verify();
  const { writes, lines } = await sink.count();
  await daemon.stop();
  const sent = sentMs(traffic, freshFrom);
  const first = firstOf(one.isFound);
  const newestCount = freshAfterOutage;
  const seen = watchedReturn({ writes, returnedMs, first, count: one.count, newestCount, sentMs: sent });
  if (lines < fewestLinesPerUplink * (one.count + sent.size)) throw new Error(`the sink had ${lines} lines`);
  const pubackMs = pubackTimes(traffic, freshFrom, [...sent.values()], { returnedMs, seen });
  const { title, count } = one;
  return { title, count, seen, diskBytes, payloadBytes, memory, peakMb, cpuMsPerThousand, pubackMs };
}

/** When the messages from `from` on were on their way to the daemon: the number of each is its place in the stream. */
function sentMs({ delivered }: MqttTraffic, from: number): Map<number, number> {
  const offsetMs = monotonicMs() - performance.now();
  return new Map(delivered.slice(from).map(({ atMs }, index) => [from + index, atMs + offsetMs]));
}

function pubackTimes(
  traffic: MqttTraffic,
  from: number,
  atMs: readonly number[],
  { returnedMs, seen }: { readonly returnedMs: number; readonly seen: Return },
): Figures["pubackMs"] {
  const tookMs = pubackLatenciesMs(traffic, from);
  const within = (lo: number, hi: number): number[] =>
    tookMs.filter((_, index) => (atMs[index] ?? NaN) >= lo && (atMs[index] ?? NaN) < hi);
  return { during: within(returnedMs, seen.drainedMs), after: within(seen.drainedMs, Infinity) };
}

function print(all: readonly Figures[]): void {
  printTable([
    ["drain", "uplinks/s", "to the aim", "points/s", "s", "CPU ms per 1000", "peak MB", "out of order"],
    ...all.map(({ title, seen, cpuMsPerThousand, peakMb }) => [
      title,
      seen.uplinksPerSecond.toFixed(0),
      (seen.uplinksPerSecond / drainAimPerSecond).toFixed(2),
      seen.pointsPerSecond.toFixed(0),
      (seen.drainMs / 1000).toFixed(1),
      cpuMsPerThousand.toFixed(0),
      peakMb.toFixed(0),
      String(seen.mostStepBack),
    ]),
  ]);
  printTable([
    [
      "fresh beside it",
      "first s",
      "to the limit",
      "p50 / p99 / max s",
      "once drained",
      "PUBACK p99 ms",
      "once drained",
    ],
    ...all.map(({ title, seen, pubackMs }) => [
      title,
      (seen.firstFreshMs / 1000).toFixed(2),
      (seen.firstFreshMs / freshLimitMs).toFixed(2),
      spread(seen.freshMs),
      spread(seen.laterMs),
      quantile(pubackMs.during, 0.99).toFixed(0),
      quantile(pubackMs.after, 0.99).toFixed(0),
    ]),
  ]);
  printTable([
    ["while it waits", "disk B per uplink", "to its payload", "RSS MB", "to the limit", "PSS MB"],
    ...all.map(({ title, diskBytes, payloadBytes, memory }) => [
      title,
      diskBytes.toFixed(0),
      (diskBytes / payloadBytes).toFixed(2),
      memory.rssMb.toFixed(0),
      (memory.rssMb / memoryLimitMb).toFixed(2),
      memory.pssMb.toFixed(0),
    ]),
  ]);
  printNote(
    `limits: ${drainAimPerSecond} uplinks/s, ${freshLimitMs / 1000} s, ${memoryLimitMb} MB; fresh uplinks come at ` +
      `${freshPerSecond}/s; the rate is that of the middle 80 % of the backlog`,
  );
}

export async function run(): Promise<void> {
  const { values } = parseArgs({ options: { messages: { type: "string" } }, strict: false });
  const few = typeof values.messages === "string" ? Number(values.messages) : undefined;
  const cases: Case[] = [
    { title: `${few ?? 100_000} taken from the broker`, count: few ?? 100_000, isFound: false },
    { title: `${few ?? 1_000_000} found at the start`, count: few ?? 1_000_000, isFound: true },
  ];
  const all: Figures[] = [];
  for (const one of cases) all.push(await measure(one));
  print(all);
}

if (import.meta.main) await run();
