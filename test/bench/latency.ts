/**
 * How long a message waits for its PUBACK: from the last byte of PUBLISH on its way to the daemon to the
 * last byte of PUBACK on its way back, read on the wire by a proxy. Most of it is chosen: a message waits
 * up to `commit_interval` for others to share its commit. So it is measured with the default of 250 ms and
 * with 20 ms, and shown beside that limit; what is above it is the disk and us.
 */
import { observeMqtt } from "../support/observe-mqtt.ts";
import type { MqttTraffic } from "../support/observe-mqtt.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";
import { startBroker } from "./rig/broker.ts";
import { Daemon } from "./rig/daemon.ts";
import { printNote, printTable, quantile } from "./rig/figures.ts";
import { Publisher } from "./rig/publisher.ts";
import { Sink } from "./rig/sink.ts";
import { verifyAndStop } from "./rig/verify.ts";

const intervalsMs = [250, 20];
const slow = { perSecond: 10, seconds: 25 };
const fast = { perSecond: 1000, seconds: 8 };
/** Of the fast rate: code that never ran is slow. */
const warmUpSeconds = 2;

interface Rig {
  readonly intervalMs: number;
  readonly traffic: MqttTraffic;
  readonly publisher: Publisher;
  readonly sink: Sink;
  readonly daemon: Daemon;
  verify(): Promise<void>;
}

async function rig(stack: AsyncDisposableStack, intervalMs: number): Promise<Rig> {
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const proxy = await TcpProxy.start(broker.port);
  stack.defer(() => proxy.stop());
  const traffic = observeMqtt(proxy);
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const daemon = await Daemon.start({
    name: `latency${intervalMs}`,
    broker,
    mqttPort: proxy.port,
    sinkPort: sink.port,
    commitInterval: `${intervalMs}ms`,
  });
  stack.defer(() => daemon.remove());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  const verify = (): Promise<void> => verifyAndStop({ broker, publisher, daemon, sink });
  return { intervalMs, traffic, publisher, sink, daemon, verify };
}

/** ms from PUBLISH to PUBACK of everything published in this run. */
async function latenciesMs(
  { traffic, publisher }: Rig,
  load: { readonly perSecond: number; readonly seconds: number },
): Promise<number[]> {
  const first = publisher.published;
  await publisher.atRate(load.perSecond, load.seconds);
  await waitFor(() => traffic.acknowledged.length >= publisher.published, {
    timeoutMs: 15_000,
    what: "the daemon to acknowledge everything",
  });
  return traffic.delivered.slice(first).map(({ atMs, messageId, dup }, index) => {
    const puback = traffic.acknowledged[first + index];
    if (puback === undefined || dup || puback.messageId !== messageId) {
      throw new Error(`PUBLISH ${messageId} was not acknowledged in its turn`);
    }
    return puback.atMs - atMs;
  });
}

function row(intervalMs: number, perSecond: number, samplesMs: readonly number[]): string[] {
  const p99 = quantile(samplesMs, 0.99);
  return [
    `${perSecond}/s, commit_interval ${intervalMs} ms`,
    String(samplesMs.length),
    quantile(samplesMs, 0.5).toFixed(1),
    p99.toFixed(1),
    quantile(samplesMs, 1).toFixed(1),
    (p99 / intervalMs).toFixed(2),
  ];
}

export async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const rigs = await Promise.all(intervalsMs.map((intervalMs) => rig(stack, intervalMs)));
  for (const each of rigs) await latenciesMs(each, { ...fast, seconds: warmUpSeconds });
  // Ten messages a second disturb nobody: both at the same time. A thousand are for one alone.
  const atSlow = await Promise.all(rigs.map((each) => latenciesMs(each, slow)));
  const atFast: number[][] = [];
  for (const each of rigs) atFast.push(await latenciesMs(each, fast));
  for (const each of rigs) await each.verify();
  printTable([
    ["PUBLISH → PUBACK", "messages", "p50 ms", "p99 ms", "max ms", "p99 to the interval"],
    ...rigs.map(({ intervalMs }, index) => row(intervalMs, slow.perSecond, atSlow[index] ?? [])),
    ...rigs.map(({ intervalMs }, index) => row(intervalMs, fast.perSecond, atFast[index] ?? [])),
  ]);
  printNote("a PUBACK is sent after the commit of its message with synchronous=FULL");
}

if (import.meta.main) await run();
