/**
 * 50,000 mutated Arrow streams: each ends with rows or with a `Fault`, soon, in little memory; and where rows come out,
 * an independent reader of the Arrow format (arrow-judge.ts) finds the same rows in the same bytes.
 *
 * FLIGHTLINE_FUZZ_SEED and FLIGHTLINE_FUZZ_RUNS go on longer; FLIGHTLINE_FUZZ_RUN repeats a single one.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RecordBatch } from "apache-arrow";
import { ArrowDecoder, type IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { rowsOf, type Row } from "../../src/influx/arrow/rows.ts";
import { Fault } from "../../src/lib/fault.ts";
import { ArrowJudge } from "../support/arrow-judge.ts";
import { difference } from "../support/arrow-judge-compare.ts";
import { Invalid } from "../support/arrow-judge-flatbuffer.ts";
import type { Times } from "../support/arrow-judge-values.ts";
import { fuzzStreams } from "../support/flight-fuzz-corpus.ts";
import { mutatedStream, mutationKinds, type Mutated } from "../support/flight-fuzz.ts";

const seed = Number(process.env["FLIGHTLINE_FUZZ_SEED"] ?? 2026);
const runs = Number(process.env["FLIGHTLINE_FUZZ_RUNS"] ?? 50_000);
const onlyRun = process.env["FLIGHTLINE_FUZZ_RUN"];
const mostMs = 2000;
const maxDecodedBytes = 1_000_000;
/** For one stream of some kilobytes, and twice the decoder's own limit. */
const mostBufferBytes = 2 * maxDecodedBytes;
/** From the first to the last of all. */
const mostHeapGrowth = 10 * 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

interface Read {
  /** By message; undefined where it was no batch. */
  readonly rows: readonly (Row[] | undefined)[];
  readonly fault: Fault | undefined;
}

interface How {
  readonly times: Times;
  /** Rows are read when the stream has ended: what comes after a batch, a new dictionary above all, does not change it. */
  readonly isLate: boolean;
}

/** The client's reading. Anything but a Fault that is thrown comes out. */
function readByClient(messages: readonly IpcMessage[], { times, isLate }: How): Read {
  const decoder = new ArrowDecoder({ maxDecodedBytes });
  const reads: (() => Row[] | undefined)[] = [];
  const rows: (Row[] | undefined)[] = [];
  let rowsOfBatch: ((batch: RecordBatch) => Row[]) | undefined;
  const readNow = (): void => {
    for (const read of reads.splice(0)) rows.push(read());
  };
  let fault: Fault | undefined;
  try {
    for (const message of messages) {
      const decoded = decoder.decode(message);
      if (decoded.kind === "schema") rowsOfBatch ??= rowsOf(decoded.schema, { times });
      reads.push(() => (decoded.kind === "batch" ? rowsOfBatch?.(decoded.batch) : undefined));
      if (!isLate) readNow();
    }
  } catch (error) {
    fault = asFault(error);
  }
  try {
    readNow();
  } catch (error) {
    fault = asFault(error);
  }
  return { rows, fault };
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}

/** Throws when the judge reads other rows, or none; tells whether it would have accepted what the client refused. */
function judgement(messages: readonly IpcMessage[], { rows, fault }: Read, times: Times): "right" | "strict" {
  const judge = new ArrowJudge(times);
  for (const [index, ofMessage] of rows.entries()) {
    const judged = judge.read(messages[index] as IpcMessage);
    assert.equal(ofMessage === undefined, judged === undefined, `message ${index} is of another kind`);
    if (ofMessage === undefined || judged === undefined) continue;
    const problem = difference(ofMessage, judged);
    assert.equal(problem, undefined, `message ${index}: ${problem}`);
  }
  return fault === undefined || isInvalid(judge, messages[rows.length] as IpcMessage) ? "right" : "strict";
}

function isInvalid(judge: ArrowJudge, message: IpcMessage): boolean {
  try {
    const rows = judge.read(message);
    for (let index = 0; index < Math.min(rows?.length ?? 0, 1000); index += 1) rows?.at(index);
    return false;
  } catch (error) {
    if (error instanceof Invalid) return true;
    throw error;
  }
}

interface Tally {
  accepted: number;
  refused: number;
}

class Counts {
  readonly #tallies = new Map<string, Tally>();

  add(key: string, isAccepted: boolean): void {
    const tally = this.#tallies.get(key) ?? { accepted: 0, refused: 0 };
    this.#tallies.set(key, tally);
    if (isAccepted) tally.accepted += 1;
    else tally.refused += 1;
  }

  of(key: string): Tally {
    return this.#tallies.get(key) ?? { accepted: 0, refused: 0 };
  }

  *[Symbol.iterator](): Generator<[string, Tally]> {
    yield* [...this.#tallies].toSorted(([, a], [, b]) => b.refused - a.refused);
  }
}

function replayText(run: number, { stream, steps, messages }: Mutated): string {
  const hex = messages.map(
    ({ header, body }) =>
      `header ${Buffer.from(header).toString("hex")}\nbody ${Buffer.from(body).toString("hex")}`,
  );
  return [`FLIGHTLINE_FUZZ_SEED=${seed} FLIGHTLINE_FUZZ_RUN=${run}: "${stream.name}"`, ...steps, ...hex].join(
    "\n",
  );
}

/** Numbers and names left out. */
function kindOf(fault: Fault): string {
  return fault.message.replaceAll(/"[^"]*"|-?\d+/g, "…");
}

describe("mutated Arrow streams", () => {
  test("an unmutated stream is read by client and judge, alike", () => {
    for (const { name, messages } of fuzzStreams) {
      for (const times of ["ns", "iso"] as const) {
        const read = readByClient(messages, { times, isLate: false });
        assert.equal(read.fault, undefined, name);
        assert.equal(judgement(messages, read, times), "right", name);
      }
    }
  });

  test(`${runs} of them end with a fault or with the rows that are there`, (t) => {
    const byKind = new Counts();
    const byStream = new Counts();
    const strict = new Map<string, number>();
    let slowestMs = 0;
    let clientMs = 0;
    let most = 0;
    const heapBefore = heapBytes();
    const started = performance.now();
    const all = onlyRun === undefined ? Array.from({ length: runs }, (_, run) => run) : [Number(onlyRun)];
    for (const run of all) {
      const mutated = mutatedStream(seed, run);
      const times = run % 3 === 0 ? "iso" : "ns";
      try {
        const buffersBefore = process.memoryUsage().arrayBuffers;
        const before = performance.now();
        const read = readByClient(mutated.messages, { times, isLate: run % 2 === 0 });
        const tookMs = performance.now() - before;
        most = Math.max(most, process.memoryUsage().arrayBuffers - buffersBefore);
        clientMs += tookMs;
        slowestMs = Math.max(slowestMs, tookMs);
        assert.ok(tookMs < mostMs, `it took ${tookMs} ms`);
        assert.ok(most < mostBufferBytes, `it took ${most} bytes`);
        const isAccepted = read.fault === undefined;
        for (const kind of mutated.kinds) byKind.add(kind, isAccepted);
        byStream.add(mutated.stream.name, isAccepted);
        byKind.add("all", isAccepted);
        if (judgement(mutated.messages, read, times) === "strict" && read.fault !== undefined)
          strict.set(kindOf(read.fault), (strict.get(kindOf(read.fault)) ?? 0) + 1);
      } catch (error) {
        throw new Error(`${inspect(error)}\n${replayText(run, mutated)}`, { cause: error });
      }
    }
    const tookMs = performance.now() - started;
    t.diagnostic(
      `seed ${seed}: ${Math.round((all.length / tookMs) * 1000)} mutations/s, of which the client ${Math.round(clientMs)} of ${Math.round(tookMs)} ms, the slowest ${slowestMs.toFixed(1)} ms, ${most} bytes`,
    );
    for (const [kind, { accepted, refused }] of byKind)
      t.diagnostic(`${kind}: ${accepted} accepted, ${refused} refused`);
    for (const [fault, count] of strict)
      t.diagnostic(`refused, and the judge would not: ${count} × ${fault}`);
    if (onlyRun !== undefined) return;
    const { accepted, refused } = byKind.of("all");
    assert.ok(accepted >= runs / 10 && refused >= runs / 10, `${accepted} accepted, ${refused} refused`);
    for (const kind of mutationKinds) assert.ok(byKind.of(kind).refused > 0, kind);
    for (const { name } of fuzzStreams) assert.ok(byStream.of(name).refused > 0, name);
    assert.ok(heapBytes() - heapBefore < mostHeapGrowth);
  });
});
