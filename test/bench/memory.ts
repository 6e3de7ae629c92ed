/**
 * Resident memory at rest (connected, nothing arrives) and under load, and what rest costs: CPU and bytes
 * to the disk. With the program's own settings, and with a larger space for young objects, which the program
 * keeps at V8's first size of 1 MB: what the larger one buys in CPU and costs in memory.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startBroker } from "./rig/broker.ts";
import { Daemon } from "./rig/daemon.ts";
import { median, printNote, printTable } from "./rig/figures.ts";
import { Publisher } from "./rig/publisher.ts";
import { Sink } from "./rig/sink.ts";
import { cpuMs, residentMb, writtenBytes } from "../support/usage.ts";
import { verifyAndStop } from "./rig/verify.ts";

const restLimitMb = 110;
/** Idle CPU is watched between the two; memory at rest is read in the middle. */
const idle = { fromMs: 3000, restReadAtMs: 20_000, untilMs: 33_000 };
const load = { perSecond: 1000, seconds: 20 };
const sampleMs = 250;

/** Flags for Node. All get the same load for the same time: memory grows for a while under load. */
const variants: readonly (readonly string[])[] = [[], ["--min-semi-space-size=4"]];

interface Subject {
  readonly nodeFlags: readonly string[];
  readonly daemon: Daemon;
  readonly publisher: Publisher;
  verify(): Promise<void>;
}

interface AtRest {
  readonly restMb: number;
  readonly idleCpuPercent: number;
  readonly idleBytes: number;
}

interface UnderLoad {
  readonly loadMb: number;
  readonly peakMb: number;
  readonly cpuMsPerThousand: number;
}

async function start(
  stack: AsyncDisposableStack,
  nodeFlags: readonly string[],
  index: number,
): Promise<Subject> {
  const broker = await startBroker();
  stack.defer(() => broker.dispose());
  const sink = await Sink.start();
  stack.defer(() => sink.stop());
  const daemon = await Daemon.start({ name: `memory${index}`, broker, sinkPort: sink.port, nodeFlags });
  stack.defer(() => daemon.remove());
  const publisher = await Publisher.start(broker.port);
  stack.defer(() => publisher.stop());
  const verify = (): Promise<void> => verifyAndStop({ broker, publisher, daemon, sink });
  return { nodeFlags, daemon, publisher, verify };
}

async function atRest({ daemon: { pid } }: Subject): Promise<AtRest> {
  await delay(idle.fromMs);
  const before = { cpuMs: cpuMs(pid), bytes: writtenBytes(pid) };
  await delay(idle.restReadAtMs - idle.fromMs);
  const restMb = residentMb(pid);
  await delay(idle.untilMs - idle.restReadAtMs);
  const idleMs = idle.untilMs - idle.fromMs;
  return {
    restMb,
    idleCpuPercent: (100 * (cpuMs(pid) - before.cpuMs)) / idleMs,
    idleBytes: writtenBytes(pid) - before.bytes,
  };
}

async function underLoad({ daemon: { pid }, publisher }: Subject): Promise<UnderLoad> {
  const samplesMb: number[] = [];
  const before = { cpuMs: cpuMs(pid), published: publisher.published };
  const timer = setInterval(() => {
    samplesMb.push(residentMb(pid));
  }, sampleMs);
  try {
    await publisher.atRate(load.perSecond, load.seconds);
  } finally {
    clearInterval(timer);
  }
  return {
    // By the second half it has what it needs.
    loadMb: median(samplesMb.slice(samplesMb.length / 2)),
    peakMb: Math.max(...samplesMb),
    cpuMsPerThousand: (1000 * (cpuMs(pid) - before.cpuMs)) / (publisher.published - before.published),
  };
}

function row({ nodeFlags }: Subject, rest: AtRest, busy: UnderLoad): string[] {
  return [
    nodeFlags.join(" ") || "as it ships",
    rest.restMb.toFixed(0),
    (rest.restMb / restLimitMb).toFixed(2),
    rest.idleCpuPercent.toFixed(2),
    String(rest.idleBytes),
    busy.loadMb.toFixed(0),
    busy.peakMb.toFixed(0),
    busy.cpuMsPerThousand.toFixed(0),
  ];
}

export async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const subjects: Subject[] = [];
  for (const [index, flags] of variants.entries()) subjects.push(await start(stack, flags, index));
  const rest = await Promise.all(subjects.map(atRest));
  const rows: string[][] = [];
  for (const [index, atRestFigures] of rest.entries()) {
    const subject = subjects[index];
    if (subject !== undefined) rows.push(row(subject, atRestFigures, await underLoad(subject)));
  }
  for (const subject of subjects) await subject.verify();
  printTable([
    [
      "",
      "at rest MB",
      "to the limit",
      "idle CPU %",
      "idle bytes",
      "at 1000/s MB",
      "peak MB",
      "CPU ms per 1000",
    ],
    ...rows,
  ]);
  printNote(
    `the limit at rest is ${restLimitMb} MB; idle figures over ${(idle.untilMs - idle.fromMs) / 1000} s`,
  );
}

if (import.meta.main) await run();
