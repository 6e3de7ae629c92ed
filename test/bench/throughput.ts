/**
 * How many uplinks per second go from an untouched mosquitto through FULL commits into a database that
 * answers at once, and what a thousand of them cost in CPU time; beside three other ways to take the same
 * stream, in turns, so that a busy neighbour meets all of them:
 *
 * - the daemon with `receive_maximum = 1`: each message is a commit of its own;
 * - mqtt.js with one FULL commit per message before its PUBACK, and nothing else: no points, no writes;
 * - mqtt.js alone: counts and acknowledges. The ceiling of every program on this library and this machine.
 *
 * The loop is closed: the publisher is never so far ahead that mosquitto's queue would overflow.
 */
import { pidOf, startBroker } from "./rig/broker.ts";
import { Daemon } from "./rig/daemon.ts";
import { median, middleRatePerSecond, printNote, printTable } from "./rig/figures.ts";
import { Publisher } from "./rig/publisher.ts";
import { Sink } from "./rig/sink.ts";
import { Subscriber } from "./rig/subscriber.ts";
import { cpuMs } from "../support/usage.ts";

const rounds = 3;
/** A round of fewer has no rate at the sink: a write holds up to a second of uplinks. */
const fewestWrites = 10;
/** Per second, of the daemon. */
const aimPerSecond = 5000;

interface Subject {
  readonly name: string;
  /** Uplinks per round: a few seconds of work. */
  readonly count: number;
  readonly publisher: Publisher;
  /** The process that takes them. */
  readonly pid: number;
  readonly helpers: readonly number[];
  taken(): number;
  readonly sink: Sink | undefined;
}

interface Round {
  readonly takenPerSecond: number;
  /** NaN without a sink, and of a round that is over within a few writes. */
  readonly deliveredPerSecond: number;
  readonly cpuMsPerThousand: number;
  readonly helpersCpuMsPerThousand: number;
}

async function measure(subject: Subject, count: number): Promise<Round> {
  const { publisher, pid, helpers, sink } = subject;
  const before = { ours: cpuMs(pid), helpers: totalCpuMs(helpers) };
  const taken = await publisher.closedLoop(count, () => subject.taken());
  const delivered = (await sink?.deliveries(publisher.published)) ?? [];
  return {
    takenPerSecond: middleRatePerSecond(taken),
    deliveredPerSecond: delivered.length < fewestWrites ? Number.NaN : middleRatePerSecond(delivered),
    cpuMsPerThousand: (1000 * (cpuMs(pid) - before.ours)) / count,
    helpersCpuMsPerThousand: (1000 * (totalCpuMs(helpers) - before.helpers)) / count,
  };
}

function totalCpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
}

async function daemonSubject(
  stack: AsyncDisposableStack,
  settings: {
    readonly name: string;
    readonly title: string;
    readonly count: number;
    readonly receiveMaximum?: number;
  },
): Promise<{ readonly subject: Subject; readonly daemon: Daemon }> {
  const { name, title, count, receiveMaximum } = settings;
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const daemon = await Daemon.start({
    name,
    broker,
    sinkPort: sink.port,
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
  });
  stack.defer(() => daemon.remove());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  const helpers = [pidOf(broker), publisher.pid, sink.pid];
  const taken = (): number => daemon.committed();
  const subject = { name: title, count, publisher, pid: daemon.pid, helpers, taken, sink };
  return { subject, daemon };
}

async function subscriberSubject(
  stack: AsyncDisposableStack,
  settings: { readonly mode: "nothing" | "commit"; readonly title: string; readonly count: number },
): Promise<Subject> {
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const subscriber = await Subscriber.start(broker, settings.mode);
  stack.defer(() => subscriber.stop());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  const { title: name, count } = settings;
  const helpers = [pidOf(broker), publisher.pid];
  return {
    name,
    count,
    publisher,
    pid: subscriber.pid,
    helpers,
    taken: () => subscriber.taken(),
    sink: undefined,
  };
}

export async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const grouped = await daemonSubject(stack, { name: "grouped", title: "Flightline", count: 20_000 });
  const single = await daemonSubject(stack, {
    name: "single",
    title: "Flightline, receive_maximum = 1",
    count: 120,
    receiveMaximum: 1,
  });
  const subjects = [
    grouped.subject,
    single.subject,
    await subscriberSubject(stack, { mode: "commit", title: "mqtt.js, a commit per message", count: 6000 }),
    await subscriberSubject(stack, { mode: "nothing", title: "mqtt.js alone", count: 20_000 }),
  ];
  // Just-in-time compilation and the first pages of the files are not what is measured.
  for (const subject of subjects) await measure(subject, subject.count / 2);
  const results = new Map<Subject, Round[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of subjects) results.get(subject)?.push(await measure(subject, subject.count));
  }
  await grouped.daemon.verify();
  await single.daemon.verify();
  print(results, grouped.subject);
  await grouped.daemon.stop();
  await single.daemon.stop();
}

function print(results: ReadonlyMap<Subject, readonly Round[]>, ours: Subject): void {
  const of = (subject: Subject, key: keyof Round): number =>
    median((results.get(subject) ?? []).map((round) => round[key]));
  const oursPerSecond = Math.min(of(ours, "takenPerSecond"), of(ours, "deliveredPerSecond"));
  printTable([
    ["", "taken/s", "at the sink/s", "to Flightline", "CPU ms per 1000", "helpers' CPU ms per 1000"],
    ...[...results.keys()].map((subject) => [
      subject.name,
      of(subject, "takenPerSecond").toFixed(0),
      Number.isNaN(of(subject, "deliveredPerSecond")) ? "-" : of(subject, "deliveredPerSecond").toFixed(0),
      (of(subject, "takenPerSecond") / of(ours, "takenPerSecond")).toFixed(2),
      of(subject, "cpuMsPerThousand").toFixed(0),
      of(subject, "helpersCpuMsPerThousand").toFixed(0),
    ]),
  ]);
  printNote(
    `${oursPerSecond.toFixed(0)} uplinks/s from end to end, ${(oursPerSecond / aimPerSecond).toFixed(2)} of the aim of ` +
      `${aimPerSecond}; payloads of ${ours.publisher.meanPayloadBytes.toFixed(0)} B on average, medians of ${rounds} rounds`,
  );
}

if (import.meta.main) await run();
