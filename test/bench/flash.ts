/**
 * How many bytes a message costs the disk: what the kernel had to write for the process (write_bytes of
 * /proc/PID/io) plus what the next checkpoint has still to copy, so that a minute at one message per second
 * bears its part of it. Beside the bytes of the payload itself, and beside a commit per message.
 *
 * Not counted: the journal of the file system (ext4 writes one for each fsync), and what a flash controller
 * makes of small writes. Both follow the number of commits, which is why there is `commit_interval`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../support/wait.ts";
import { assertNothingDropped, startBroker } from "./rig/broker.ts";
import { Daemon } from "./rig/daemon.ts";
import { printNote, printTable } from "./rig/figures.ts";
import { Publisher } from "./rig/publisher.ts";
import { Sink } from "./rig/sink.ts";
import { Subscriber } from "./rig/subscriber.ts";
import { writtenBytes } from "../support/usage.ts";
import { pendingCheckpointBytes } from "./rig/wal.ts";

const rates = [1, 10, 100];
const intervals = ["250ms", "1s"];
/** At 100/s that is several checkpoints. */
const seconds = 60;
/** What was settled last is saved within this time. */
const settlementMs = 6000;

interface Writer {
  readonly name: string;
  readonly pid: number;
  readonly journalFile: string;
  readonly startBytes: number;
  taken(): number;
  /** After the measurement: was it what it says? Ends the process. */
  verify(published: number): Promise<void>;
}

interface Result {
  readonly name: string;
  readonly bytesPerUplink: number;
  readonly payloadBytes: number;
}

async function daemonWriter(
  stack: AsyncDisposableStack,
  broker: Awaited<ReturnType<typeof startBroker>>,
  commitInterval: string,
): Promise<Writer> {
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const daemon = await Daemon.start({
    name: `flash${commitInterval}`,
    broker,
    sinkPort: sink.port,
    commitInterval,
  });
  stack.defer(() => daemon.remove());
  return {
    name: `commit_interval ${commitInterval}`,
    pid: daemon.pid,
    journalFile: daemon.journalFile,
    startBytes: writtenBytes(daemon.pid),
    taken: () => daemon.committed(),
    async verify(published) {
      await sink.deliveries(published);
      await daemon.verify();
      await daemon.stop();
    },
  };
}

async function subscriberWriter(
  stack: AsyncDisposableStack,
  broker: Awaited<ReturnType<typeof startBroker>>,
): Promise<Writer> {
  const subscriber = await Subscriber.start(broker, "commit");
  stack.defer(() => subscriber.stop());
  return {
    name: "a commit per message",
    pid: subscriber.pid,
    journalFile: subscriber.journalFile,
    startBytes: writtenBytes(subscriber.pid),
    taken: () => subscriber.taken(),
    verify: () => subscriber.stop(),
  };
}

async function measureRate(stack: AsyncDisposableStack, perSecond: number): Promise<Result[]> {
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const writers: Writer[] = [];
  for (const interval of intervals) writers.push(await daemonWriter(stack, broker, interval));
  writers.push(await subscriberWriter(stack, broker));
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  await publisher.atRate(perSecond, seconds);
  // Nobody reads the journal before the end: a reader can keep the log from beginning anew.
  await delay(settlementMs);
  const results: Result[] = [];
  for (const writer of writers) {
    const { name, pid, journalFile, startBytes } = writer;
    const bytes = writtenBytes(pid) - startBytes + pendingCheckpointBytes(journalFile);
    await waitFor(() => writer.taken() === publisher.published, { what: `${name} to have every uplink` });
    results.push({
      name: `${perSecond}/s, ${name}`,
      bytesPerUplink: bytes / publisher.published,
      payloadBytes: publisher.meanPayloadBytes,
    });
  }
  assertNothingDropped(broker);
  for (const writer of writers) await writer.verify(publisher.published);
  return results;
}

export async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const results = await Promise.all(rates.map((perSecond) => measureRate(stack, perSecond)));
  printTable([
    ["", "bytes per uplink", "to the payload", "to a commit per message", "MB per day"],
    ...results.flatMap((ofRate, index) =>
      ofRate.map(({ name, bytesPerUplink, payloadBytes }) => [
        name,
        bytesPerUplink.toFixed(0),
        (bytesPerUplink / payloadBytes).toFixed(2),
        (bytesPerUplink / (ofRate.at(-1)?.bytesPerUplink ?? Number.NaN)).toFixed(2),
        ((bytesPerUplink * 86_400 * (rates[index] ?? Number.NaN)) / 1e6).toFixed(0),
      ]),
    ),
  ]);
  printNote(`${seconds} s at each rate; the file system's own journal is not counted`);
}

if (import.meta.main) await run();
