/**
 * A Flight client without a server: the text of a query says what happens. In a real streams process it
 * misbehaves as a decoder, a library or a kernel may; what it does with its streams is counted and can be
 * asked for by the query "counters".
 */
import { AsyncResource } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { writeSync } from "node:fs";
import type {
  Column,
  FlightClient,
  FlightConfig,
  FlightEnd,
  FlightQuery,
  FlightStream,
} from "../../../src/influx/flight/api.ts";
import type { Row } from "../../../src/influx/arrow/rows.ts";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { channelFd, frameOf } from "../../../src/streams/frames.ts";

const columns: readonly Column[] = [
  { name: "time", arrowType: "Timestamp<NANOSECOND>", nullable: false, influx: { kind: "timestamp" } },
  { name: "value", arrowType: "Float64", nullable: true, influx: { kind: "field", type: "float" } },
  { name: "text", arrowType: "Utf8", nullable: true, influx: undefined },
];

interface Counters {
  streams: number;
  batches: number;
  cancelled: number;
  closedClients: number;
}

const nobody = new AsyncResource("nobody");

type Batches = AsyncGenerator<readonly Row[]>;

/** What the query does, by the first word of its text. */
type Deeds = Readonly<Record<string, (signal: AbortSignal, args: readonly string[]) => Batches>>;

/** `counters` outlives the client: one for all clients of a process. */
export function fakeFlightClient(config: FlightConfig, counters = newCounters()): FlightClient {
  if (config.database === "unreadable") throw fault("tls_file_unreadable", "ca_file cannot be read");
  const deeds = deedsOf(config, counters);
  return {
    query: (query) => streamOf(query, deeds, counters),
    close: () => {
      counters.closedClients += 1;
    },
  };
}

export function newCounters(): Counters {
  return { streams: 0, batches: 0, cancelled: 0, closedClients: 0 };
}

function streamOf(query: FlightQuery, deeds: Deeds, counters: Counters): FlightStream {
  const signal = query.signal ?? new AbortController().signal;
  const [deed = "", ...args] = query.text.split(" ");
  const { promise: ended, resolve: end } = Promise.withResolvers<FlightEnd>();
  async function* batches(): Batches {
    const run = deeds[deed];
    if (run === undefined) throw fault("flight_bad_query", `there is no deed "${deed}"`);
    let rows = 0;
    counters.streams += 1;
    try {
      for await (const batch of run(signal, args)) {
        counters.batches += 1;
        rows += batch.length;
        yield batch;
      }
    } finally {
      if (signal.aborted) counters.cancelled += 1;
    }
    end({ ...noEnd, rows, trailers: { "x-request-id": query.requestId ?? "" } });
  }
  const unused = async (): Promise<never> => await Promise.reject(new Error("nobody reads it this way"));
  return {
    requestId: query.requestId ?? "",
    ended,
    all: unused,
    reader: unused,
    chunks: () => {
      throw new Error("nobody reads it this way");
    },
    rows: () => ({
      columns: async () => await Promise.resolve(columns),
      batches,
      collect: unused,
      [Symbol.asyncIterator]: () => {
        throw new Error("nobody reads it this way");
      },
    }),
  };
}

const noEnd = { rows: 0, batches: 1, keepAlives: 0, bytes: 0, trailers: {}, elapsedMs: 0.5, attempts: 1 };

function deedsOf(config: FlightConfig, counters: Counters): Deeds {
  return {
    /** rows BATCHES ROWS_IN_EACH LENGTH_OF_TEXT */
    async *rows(signal, [batches = "1", perBatch = "3", length = "1"]) {
      for (let batch = 0; batch < Number(batches); batch += 1) {
        await Promise.resolve();
        signal.throwIfAborted();
        yield rowsOf(batch * Number(perBatch), Number(perBatch), Number(length));
      }
    },
    async *counters() {
      await Promise.resolve();
      yield [{ ...counters }];
    },
    async *config() {
      await Promise.resolve();
      yield [{ database: config.database, hasToken: config.token !== undefined }];
    },
    /** What a process of ours must not have: the token. */
    async *surroundings() {
      await Promise.resolve();
      yield [
        { argv: [...process.argv, ...process.execArgv], env: Object.entries(process.env).flat() as string[] },
      ];
    },
    async *hang(signal) {
      await aborted(signal);
      signal.throwIfAborted();
      yield [];
    },
    async *fault() {
      await Promise.resolve();
      yield [];
      throw fault("flight_bad_query", `the token is ${config.token?.reveal()}`);
    },
    async *exception() {
      await Promise.resolve();
      yield rowsOf(0, 1, 1);
      JSON.parse("{");
    },
    ...deadlyDeeds(config),
  };
}

/** Each of these is more than the error of one stream. */
function deadlyDeeds(config: FlightConfig): Deeds {
  const thenHang = (deed: () => void) =>
    async function* hangAfter(signal: AbortSignal): Batches {
      deed();
      await aborted(signal);
      signal.throwIfAborted();
      yield [];
    };
  return {
    rejection: thenHang(() => {
      void Promise.reject(new Error("nobody handles this"));
    }),
    /** Code that no query has begun. */
    rejectionOfNobody: thenHang(() => {
      nobody.runInAsyncScope(() => {
        void Promise.reject(new Error("nobody began this"));
      });
    }),
    exceptionLater: thenHang(() => {
      setTimeout(() => {
        throw new Error(`a decoder failed, the token is ${config.token?.reveal()}`);
      }, 5);
    }),
    errorEvent: thenHang(() => {
      setTimeout(() => new EventEmitter().emit("error", new Error("nobody listens")), 5);
    }),
    loop: thenHang(() => {
      for (;;);
    }),
    heap: thenHang(() => {
      const kept: unknown[] = [];
      for (;;) kept.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
    }),
    buffers: thenHang(() => {
      const kept: Buffer[] = [];
      const pause = new Int32Array(new SharedArrayBuffer(4));
      while (kept.length < 1000) {
        kept.push(Buffer.alloc(8 * 1024 * 1024, 1));
        Atomics.wait(pause, 0, 0, 5);
      }
    }),
    abort: thenHang(() => {
      process.abort();
    }),
    kill: thenHang(() => {
      process.kill(process.pid, "SIGKILL");
    }),
    /** Frames that are none, that hold no message, and that belong to nobody; then it goes on as if nothing was. */
    async *nonsense() {
      const frames = [frameOf({ kind: "rows", id: -1 }), frameOf({ kind: "end", id: 1e9, end: noEnd })];
      for (const frame of frames) writeSync(channelFd, frame ?? new Uint8Array());
      writeSync(channelFd, Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]));
      await Promise.resolve();
      yield rowsOf(0, 1, 1);
    },
    garbage: thenHang(() => {
      writeSync(channelFd, Buffer.alloc(64, 0xff));
    }),
    zeros: thenHang(() => {
      writeSync(channelFd, Buffer.alloc(64 * 1024));
    }),
    /** Broken frames without end; it answers pings all the same. */
    async *junk(signal) {
      const frames = Buffer.concat(Array.from({ length: 50 }, () => Buffer.from([0, 0, 0, 3, 1, 2, 3])));
      while (!signal.aborted) {
        writeSync(channelFd, frames);
        await sleep(1, signal);
      }
      yield [];
    },
    /** More rows than anybody gave credit for, in the name of the first request, at once. */
    flood: thenHang(() => {
      const rows = Array.from({ length: 500 }, () => ({}));
      const frame = frameOf({ kind: "rows", id: 1, rows }) ?? new Uint8Array();
      writeSync(channelFd, Buffer.concat(Array.from({ length: 5 }, () => frame)));
    }),
    /** It reads nothing any more. */
    stop: thenHang(() => {
      process.kill(process.pid, "SIGSTOP");
    }),
    async *slow(signal, [delayMs = "100"]) {
      await sleep(Number(delayMs), signal);
      signal.throwIfAborted();
      yield rowsOf(0, 1, 1);
    },
  };
}

function rowsOf(first: number, count: number, length: number): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    time: 1_780_000_000_123_456_789n + BigInt(first + index),
    value: first + index + 0.5,
    text: "x".repeat(length),
  }));
}

function fault(code: string, message: string): Fault {
  return new Fault({ code, layer: "flight", disposition: "drop", message, hint: "correct the test" });
}
