/**
 * What the streams process costs, and what it spares the daemon: how long messages wait for their PUBACK while
 * queries misbehave in it; how much longer a small query takes through it; what memory both take; how long the
 * first query waits for it to start.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { writeConfig } from "../support/daemon.ts";
import { misdeeds } from "../support/misdeeds.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { observeMqtt, type MqttTraffic } from "../support/observe-mqtt.ts";
import { childrenOf } from "../support/processes.ts";
import { pubackLatenciesMs } from "../support/puback-latencies.ts";
import { StreamsDaemon } from "../support/streams-daemon.ts";
import type { StreamsMainSettings } from "../support/streams-main.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";
import { assertNothingDropped, startBroker, untilSubscribed } from "./rig/broker.ts";
import { Child } from "./rig/child.ts";
import { Daemon } from "./rig/daemon.ts";
import { printNote, printTable, quantile } from "./rig/figures.ts";
import type { AskerOrder, AskerReport, AskerSettings } from "./rig/flight-asker-process.ts";
import { diskFolder, distFolder } from "./rig/folders.ts";
import { Publisher } from "./rig/publisher.ts";
import { Sink } from "./rig/sink.ts";

const aims = { pubackMs: 100, roundTripMs: 5, pssMb: 170 };
/** Small, so that what is measured is not the wait that was chosen. */
const commitInterval = "20ms";
const load = { perSecond: 50, seconds: 10 };
const roundTrips = { rounds: 10, each: 100, warmUp: 200 };
const coldStarts = 5;
const settleMs = 20_000;

const question = "SELECT 1 AS one, 2.5 AS two, 'three' AS three";
const database = "lorawan";
const faultyEntry = new URL("../support/faulty-streams-process.ts", import.meta.url).href;
/** The limits ship; only what follows a death is not waited for. */
const soon = { baseMs: 20, capMs: 20, maxRestarts: 1000 };

async function startDaemon(
  stack: AsyncDisposableStack,
  broker: Mosquitto,
  ports: { readonly mqtt: number; readonly influx: number },
  name: string,
  more: Partial<StreamsMainSettings> = {},
): Promise<StreamsDaemon> {
  const folder = await diskFolder(`bench-${name}`);
  stack.defer(() => folder.remove());
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: `mqtt://127.0.0.1:${ports.mqtt}`,
    influxUrl: `http://127.0.0.1:${ports.influx}`,
    lines: { "[mqtt]": [`client_id = "${name}"`], journal: [`commit_interval = "${commitInterval}"`] },
  });
  const daemon = stack.use(new StreamsDaemon({ configFile, dist: distFolder, restart: soon, ...more }));
  await untilSubscribed(broker, name);
  return daemon;
}

interface Rig {
  readonly daemon: StreamsDaemon;
  readonly traffic: MqttTraffic;
  readonly publisher: Publisher;
}

async function underMisdeeds(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const proxy = await TcpProxy.start(broker.port);
  stack.defer(() => proxy.stop());
  const traffic = observeMqtt(proxy);
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const ports = { mqtt: proxy.port, influx: sink.port };
  const daemon = await startDaemon(stack, broker, ports, "misdeeds", { entry: faultyEntry });
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  const rig = { daemon, traffic, publisher };
  // Code that never ran is slow.
  await measured(rig, async () => await Promise.resolve());
  const rows = [row("at rest", 0, await measured(rig, async () => await Promise.resolve()))];
  const goodQueries = await measured(rig, async (n) => await answered(daemon, `rows ${n}`));
  rows.push(row("good queries", goodQueries.times, goodQueries));
  for (const { text, name } of misdeeds) {
    const result = await measured(rig, async (n) => {
      // Each text is another query: one that has ended the process twice is refused for a while.
      const outcome = await daemon.ask(`${text} ${n}`);
      // A heap that fills meets whichever limit is nearer, V8's or that of the whole process.
      if (!("code" in outcome) || !outcome.code.startsWith("streams_")) {
        throw new Error(`${text} ended so: ${JSON.stringify(outcome)}`);
      }
      await answered(daemon, "rows");
    });
    rows.push(row(name, result.times, result));
  }
  await sink.deliveries(publisher.published);
  assertNothingDropped(broker);
  if ((await daemon.stop()) !== 0) throw new Error(`the daemon did not end well:\n${daemon.output}`);
  printTable([
    ["PUBLISH → PUBACK", "times", "messages", "p50 ms", "p99 ms", "max ms", "p99 to the aim"],
    ...rows,
  ]);
  printNote(
    `${load.perSecond}/s, commit_interval ${commitInterval}; the aim is ${aims.pubackMs} ms; the limits of the process as they ship.`,
  );
}

async function answered(daemon: StreamsDaemon, text: string): Promise<void> {
  const outcome = await daemon.ask(text);
  if (!("rows" in outcome)) throw new Error(`"${text}" was not answered: ${outcome.message}`);
}

interface Measured {
  /** How often the deed was done. */
  readonly times: number;
  readonly pubackMs: readonly number[];
}

/** Publishes for a while, and does the deed again and again meanwhile; once at least. */
async function measured({ traffic, publisher }: Rig, deed: (n: number) => Promise<void>): Promise<Measured> {
  const first = publisher.published;
  const published = publisher.atRate(load.perSecond, load.seconds);
  const untilMs = performance.now() + load.seconds * 1000;
  let times = 0;
  while (performance.now() < untilMs) {
    times += 1;
    await deed(times);
    await delay(20);
  }
  await published;
  await waitFor(() => traffic.acknowledged.length >= publisher.published, {
    timeoutMs: 15_000,
    what: "the daemon to acknowledge everything",
  });
  return { times, pubackMs: pubackLatenciesMs(traffic, first) };
}

function row(name: string, times: number, { pubackMs }: Measured): string[] {
  const p99 = quantile(pubackMs, 0.99);
  return [
    name,
    times === 0 ? "" : String(times),
    String(pubackMs.length),
    quantile(pubackMs, 0.5).toFixed(1),
    p99.toFixed(1),
    quantile(pubackMs, 1).toFixed(1),
    (p99 / aims.pubackMs).toFixed(2),
  ];
}

async function compareRoundTrips(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const standIn = await startInfluxStandIn({ flushIntervalMs: 20 });
  stack.defer(() => standIn.stop());
  const ports = { mqtt: broker.port, influx: standIn.port };
  await fetch(`${standIn.url}/api/v3/write_lp?db=${database}`, { method: "POST", body: "t f=1" });
  const firstMs = await coldMs(stack, broker, ports);
  const daemon = await startDaemon(stack, broker, ports, "asked");
  const file = new URL("./rig/flight-asker-process.ts", import.meta.url);
  const settings: AskerSettings = { url: standIn.url, database };
  const { child: asker } = await Child.start<AskerOrder, AskerReport>(file, settings);
  stack.defer(() => asker.stop());
  const direct = async (times: number): Promise<readonly number[]> => {
    asker.send({ text: question, times });
    return (await asker.nextReport()).ms;
  };
  await direct(roundTrips.warmUp);
  await throughProcess(daemon, roundTrips.warmUp);
  const directMs: number[] = [];
  const throughMs: number[] = [];
  // In turns, so that a busy neighbour meets both.
  for (let round = 0; round < roundTrips.rounds; round += 1) {
    directMs.push(...(await direct(roundTrips.each)));
    throughMs.push(...(await throughProcess(daemon, roundTrips.each)));
  }
  const cells = (ms: readonly number[]): string[] =>
    [0.5, 0.99].map((share) => quantile(ms, share).toFixed(2));
  printTable([
    ["a query of one row, three columns", "p50 ms", "p99 ms"],
    ["by the client itself", ...cells(directMs)],
    ["through the streams process", ...cells(throughMs)],
    ["first one, process started for it", ...cells(firstMs)],
  ]);
  const moreMs = quantile(throughMs, 0.5) - quantile(directMs, 0.5);
  printNote(
    `${directMs.length} each; ${moreMs.toFixed(2)} ms more at the median (aim: below ${aims.roundTripMs}); ${coldStarts} starts.`,
  );
}

async function throughProcess(daemon: StreamsDaemon, times: number): Promise<number[]> {
  const ms: number[] = [];
  while (ms.length < times) {
    const outcome = await daemon.ask(question);
    if (!("rows" in outcome) || outcome.rows !== 1) throw new Error(JSON.stringify(outcome));
    ms.push(outcome.ms);
  }
  return ms;
}

/** Each is the first query of a process. */
async function coldMs(
  stack: AsyncDisposableStack,
  broker: Mosquitto,
  ports: { readonly mqtt: number; readonly influx: number },
): Promise<number[]> {
  const daemon = await startDaemon(stack, broker, ports, "cold", {
    settings: { idleMs: 100, memoryEveryMs: 50 },
  });
  const ms: number[] = [];
  while (ms.length < coldStarts) {
    await waitFor(async () => (await daemon.status()).state === "idle", { what: "no process to be there" });
    ms.push(...(await throughProcess(daemon, 1)));
  }
  await daemon.stop();
  return ms;
}

/** The program itself: where InfluxDB has no SQL over HTTP it asks for the schema over Flight. */
async function weigh(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const standIn = await startInfluxStandIn({ flushIntervalMs: 20 });
  stack.defer(() => standIn.stop());
  standIn.faults.writeApi = "v2only";
  const quiet = await Daemon.start({ name: "quiet", broker, sinkPort: sink.port });
  stack.defer(() => quiet.remove());
  const asking = await Daemon.start({ name: "asking", broker, sinkPort: standIn.port });
  stack.defer(() => asking.remove());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  // Both write them, and ask for the columns before that.
  await publisher.atRate(10, 1);
  await delay(settleMs);
  const [streams, ...others] = childrenOf(asking.pid);
  if (streams === undefined || others.length > 0 || childrenOf(quiet.pid).length > 0) {
    throw new Error("the one daemon was to have a streams process, and the other none");
  }
  const weights = {
    quiet: memoryMb(quiet.pid),
    daemon: memoryMb(asking.pid),
    streams: memoryMb(streams.pid),
  };
  const { daemon, streams: its } = weights;
  const sharedMb = Math.max(daemon.rssMb - daemon.privateMb, its.rssMb - its.privateMb);
  const aloneMb = daemon.privateMb + its.privateMb + sharedMb;
  const cells = ({ rssMb, pssMb, privateMb }: Memory): string[] =>
    [rssMb, pssMb, privateMb].map((mb) => mb.toFixed(0));
  printTable([
    ["at rest", "RSS MB", "PSS MB", "private MB"],
    ["the daemon, no streams process", ...cells(weights.quiet)],
    ["the daemon with a streams process", ...cells(weights.daemon)],
    ["its streams process, after a query", ...cells(weights.streams)],
    ["both", "", (daemon.pssMb + its.pssMb).toFixed(0), (daemon.privateMb + its.privateMb).toFixed(0)],
  ]);
  printNote(`${settleMs / 1000} s after ten uplinks; the aim for both is ${aims.pssMb} MB of PSS.`);
  printNote(
    `Whatever else runs Node.js here makes PSS smaller: alone, both would have ${aloneMb.toFixed(0)} MB at most.`,
  );
}

interface Memory {
  readonly rssMb: number;
  /** What is shared counts in parts. */
  readonly pssMb: number;
  readonly privateMb: number;
}

function memoryMb(pid: number): Memory {
  const text = readFileSync(join("/proc", String(pid), "smaps_rollup"), "utf8");
  const mb = (key: string): number =>
    (Number(new RegExp(`^${key}:\\s*(\\d+) kB$`, "m").exec(text)?.[1]) * 1024) / 1e6;
  const privateMb = mb("Private_Clean") + mb("Private_Dirty");
  return { rssMb: mb("Rss"), pssMb: mb("Pss"), privateMb };
}

export async function run(): Promise<void> {
  await underMisdeeds();
  await compareRoundTrips();
  await weigh();
}

if (import.meta.main) await run();
