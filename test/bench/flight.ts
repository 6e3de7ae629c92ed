/**
 * How fast an answer of InfluxDB is read over Arrow Flight, each of our four ways beside grpc-js that decodes
 * nothing and beside the official client, all on the same stream; what memory a slow reader of 2 GB needs; how soon
 * the server is rid of a query that was left.
 */
import { Child } from "./rig/child.ts";
import { median, printNote, printTable } from "./rig/figures.ts";
import { rowsPerBatch } from "./rig/flight-messages.ts";
import { Reader, type ReadReport, type Way } from "./rig/flight-reader.ts";

const batches = 400;
/** The official client takes twenty times as long for a batch: it gets fewer of them. */
const officialBatches = 40;
const warmUpRounds = 3;
const rounds = 5;
const slow = { batches: 5600, pauseMs: 2 };
const breaks = 20;

interface ServerReport {
  readonly port: number;
  readonly batchBytes: number;
}

type Server = Child<object, { readonly cancelledAtMs: number }>;

export async function run(): Promise<void> {
  const file = new URL("./rig/flight-server-process.ts", import.meta.url);
  const { child, report } = await Child.start<object, ServerReport | { readonly cancelledAtMs: number }>(
    file,
    {},
  );
  try {
    if (!("port" in report)) throw new Error("the server did not say its port");
    const url = `http://127.0.0.1:${report.port}`;
    await compare(url, report.batchBytes);
    await readSlowly(url, report.batchBytes);
    await leaveEarly(url, child as Server);
  } finally {
    await child.stop();
  }
}

const names: readonly (readonly [way: Way, name: string])[] = [
  ["raw", "grpc-js, nothing decoded"],
  ["chunks", "chunks()"],
  ["reader", "reader()"],
  ["all", "all()"],
  ["batches", "rows().batches()"],
  ["rows", "rows()"],
  ["official", "influxdb3-client query()"],
];

function batchesOf(way: Way): number {
  return way === "official" ? officialBatches : batches;
}

async function compare(url: string, batchBytes: number): Promise<void> {
  const readers = await Promise.all(
    names.map(async ([way, name]) => ({
      way,
      name,
      reader: await Reader.start({ url, way }),
      reports: [] as ReadReport[],
    })),
  );
  // In turns, so that a busy neighbour meets all of them.
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const { way, reader, reports } of readers) {
      const asked = batchesOf(way);
      const report = await reader.read({ batches: asked });
      const expected = way === "raw" ? asked : asked * rowsPerBatch;
      if (report.seen !== expected) throw new Error(`${way} saw ${report.seen} instead of ${expected}`);
      if (round >= 0) reports.push(report);
    }
  }
  for (const { reader } of readers) await reader.stop();
  /** For each batch. */
  const msOf = (way: Way): number =>
    median((readers.find((one) => one.way === way)?.reports ?? []).map(({ ms }) => ms)) / batchesOf(way);
  printTable([
    ["", "rows/s", "MiB/s", "of raw", "official ×", "CPU ms/batch", "peak RSS MB"],
    ...readers.map(({ way, name, reports }) => {
      const ms = msOf(way);
      return [
        name,
        Math.round((1000 * rowsPerBatch) / ms).toLocaleString("en"),
        ((1000 * batchBytes) / ms / 2 ** 20).toFixed(0),
        `${((100 * msOf("raw")) / ms).toFixed(0)} %`,
        (msOf("official") / ms).toFixed(1),
        (median(reports.map(({ cpuMs }) => cpuMs)) / batchesOf(way)).toFixed(2),
        (Math.max(...reports.flatMap(({ rssBytes }) => rssBytes)) / 1e6).toFixed(0),
      ];
    }),
  ]);
  printNote(
    `${batches} record batches (the official client: ${officialBatches}) of ${rowsPerBatch} rows, four columns; medians of ${rounds} rounds.`,
  );
  const share = (100 * msOf("raw")) / msOf("chunks");
  const times = msOf("official") / msOf("rows");
  printNote(
    `Aims: chunks() at least 75 % of raw (${share.toFixed(0)} %), rows() at least 3 times the official client (${times.toFixed(1)}).`,
  );
}

/** The first tenth is start-up: buffers and the heap find their size. */
async function readSlowly(url: string, batchBytes: number): Promise<void> {
  const reader = await Reader.start({ url, way: "chunks" });
  try {
    const { seen, ms, rssBytes } = await reader.read(slow);
    if (seen !== slow.batches * rowsPerBatch) throw new Error(`the slow reader saw ${seen} rows`);
    const settled = rssBytes.slice(Math.ceil(rssBytes.length / 10));
    const [least, most] = [Math.min(...settled) / 1e6, Math.max(...settled) / 1e6];
    const gigabytes = (slow.batches * batchBytes) / 1e9;
    printNote(
      `chunks() read slowly: ${gigabytes.toFixed(1)} GB in ${(ms / 1000).toFixed(0)} s, RSS ${least.toFixed(0)} to ${most.toFixed(0)} MB (aim: within 40).`,
    );
  } finally {
    await reader.stop();
  }
}

async function leaveEarly(url: string, server: Server): Promise<void> {
  const reader = await Reader.start({ url, way: "chunks" });
  try {
    const waits: number[] = [];
    for (let index = 0; index < breaks; index += 1) {
      const cancelled = server.nextReport();
      const { endedAtMs } = await reader.read({ batches: 100_000, breakAfter: 2 });
      waits.push((await cancelled).cancelledAtMs - endedAtMs);
    }
    printNote(
      `A loop left after two batches: the server heard of it after ${median(waits).toFixed(1)} ms, at most ${Math.max(...waits).toFixed(1)} ms (aim: 100).`,
    );
  } finally {
    await reader.stop();
  }
}

if (import.meta.main) await run();
