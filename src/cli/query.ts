/**
 * `flightline query`: SQL or InfluxQL over Arrow Flight, to a terminal, a pipe or a file. The rows of a
 * table are held until their widths are known; in every other format one record batch is in memory.
 */
import type { Readable, Writable } from "node:stream";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { FlightClient, FlightConfig, FlightQuery } from "../influx/flight/api.ts";
import type { FlightSql } from "../influx/flight/flight-sql-api.ts";
import { flightConfigOf } from "../influx/flight/config.ts";
import { timerMs } from "../lib/abort.ts";
import { errorCode, Fault } from "../lib/fault.ts";
import { defined } from "../lib/schema.ts";
import { formatBytes } from "../lib/units.ts";
import { refine } from "../net/probe-refine.ts";
import { isAmbiguous } from "../net/refiner.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode, type Io } from "./io.ts";
import { harmless } from "./mapping-layout.ts";
import { catalogRows } from "./query-catalog.ts";
import { type Asked, type QueryOptions, readArguments } from "./query-arguments.ts";
import { FileOutput, type Output, outputFault, StreamOutput } from "./query-output.ts";
import { QueryProgress } from "./query-progress.ts";
import { type Look, QueryReading } from "./query-reading.ts";
import { readQueryText } from "./query-stdin.ts";
import { colours, duration, noColours, plural } from "./status-layout.ts";

export interface QueryIo extends Io {
  readonly stdin: Readable;
  /** Behind `out`. Whoever made it listens to its errors and aborts `signal` with them. */
  readonly stdout: Writable;
  /** Standard output is a file, not a terminal or a pipe. */
  readonly outIsFile: boolean;
  /** Of the terminal, where there is one. */
  readonly columns: number | undefined;
  /** A person is watching standard error. */
  readonly errIsTerminal: boolean;
}

/** What the command uses of one. */
export interface QueryClient extends FlightClient {
  readonly sql: Pick<FlightSql, "tables">;
}

interface QueryDeps {
  readonly openClient: (config: FlightConfig) => Promise<QueryClient>;
}

/** gRPC and Arrow are loaded when they are needed: a mistake in the arguments is said at once. */
const realDeps: QueryDeps = {
  openClient: async (config) => {
    const { createFlightSqlClient } = await import("../influx/flight/flight-sql-client.ts");
    return createFlightSqlClient(config);
  },
};

/** For a stream to fail at its deadline before its output hears of it. */
const deadlineSlackMs = 1000;

/** Exit code: done also when the reader of the pipe has enough of it (head). */
export async function queryCommand(
  options: QueryOptions,
  io: QueryIo,
  deps: QueryDeps = realDeps,
): Promise<number> {
  const arguments_ = readArguments(options, io.isTerminal);
  if (!arguments_.ok) {
    io.err(`${harmless(arguments_.mistake)}\n`);
    return exitCode.usage;
  }
  const loaded = loadConfig({ file: options.config, env: io.env });
  if (!loaded.ok) {
    io.err(loaded.problems.map(formatProblem).join(""));
    return exitCode.config;
  }
  const { asked } = arguments_;
  const run = new QueryRun(asked, io);
  const config = flightConfigOf(loaded.config.influx);
  try {
    const text = asked.text ?? (await readQueryText(io.stdin, io.signal));
    if (typeof text !== "string") {
      io.err(`${text.mistake}\n`);
      return exitCode.usage;
    }
    await run.answer(text, config.timeoutMs, async () => await deps.openClient(config));
    return exitCode.done;
  } catch (error) {
    return run.explain(await run.lookInto(error, config));
  }
}

/** Of one step of a probe, which takes twice that at most. */
const probeStepMs = 3000;

class QueryRun {
  readonly #asked: Asked;
  readonly #io: QueryIo;
  readonly #reading: QueryReading;
  #output: Output | undefined;

  constructor(asked: Asked, io: QueryIo) {
    this.#asked = asked;
    this.#io = io;
    this.#reading = new QueryReading(asked, lookFor(asked, io));
  }

  async answer(
    text: string,
    defaultTimeoutMs: number,
    openClient: () => Promise<QueryClient>,
  ): Promise<void> {
    const { output: file, timeoutMs = defaultTimeoutMs } = this.#asked;
    // Before the server is asked: a path that cannot be written is known at once.
    const output =
      file === undefined ? new StreamOutput(this.#io.stdout, this.#io.signal) : await FileOutput.open(file);
    this.#output = output;
    const startedAtMs = performance.now();
    const progress = this.#progress(output);
    try {
      await this.#ask(text, timeoutMs, await openClient(), output);
      await output.finish();
    } finally {
      progress.stop();
      await output.discard();
    }
    if (file === undefined || !this.#io.errIsTerminal) return;
    const took = duration(performance.now() - startedAtMs);
    this.#io.err(`${file}: ${plural(this.#reading.rows, "row")}, ${formatBytes(output.bytes)} in ${took}\n`);
  }

  async #ask(text: string, timeoutMs: number, client: QueryClient, output: Output): Promise<void> {
    const { language, params, database } = this.#asked;
    const { signal } = this.#io;
    // A stream says that its time is up when it is read again, and that waits for whoever reads the output. An
    // answer that was read to its end in time is not cut: what is left of it is waited for behind the stream.
    const late = setTimeout(() => output.hurry(), timerMs(timeoutMs + deadlineSlackMs));
    try {
      signal.throwIfAborted();
      const startedAtMs = performance.now();
      const rows = await catalogRows(this.#asked, client.sql, signal);
      if (rows !== undefined) {
        await this.#reading.show(rows, output, startedAtMs);
        return;
      }
      const query: FlightQuery = { text, language, params, timeoutMs, signal, ...defined({ database }) };
      await this.#reading.read(client.query(query), output);
    } finally {
      clearTimeout(late);
      client.close();
    }
  }

  #progress(output: Output): QueryProgress {
    const { errIsTerminal, outIsFile, columns } = this.#io;
    const count = (): { rows: number; bytes: number } => ({
      rows: this.#reading.rows,
      bytes: output.bytes,
    });
    const progress = new QueryProgress((line) => this.#io.err(line), count, columns);
    // It would stand among the rows on a terminal, and in what the other end of a pipe shows there (less, head).
    if (errIsTerminal && (this.#asked.output !== undefined || outIsFile)) progress.start();
    return progress;
  }

  /** For a command there is no next time: it waits for what a probe finds, as nobody else does (net/probe-outage.ts). */
  async lookInto(error: unknown, { url, tls, proxy }: FlightConfig): Promise<unknown> {
    const { signal } = this.#io;
    // Whether there was a connection when the time was up is not known here, only that no row came.
    const phase = this.#reading.rows === 0 ? "connecting" : undefined;
    if (!(error instanceof Fault) || proxy !== undefined || !isAmbiguous(error, phase)) return error;
    const target = { target: "flight", speaks: "grpc", url, tls, timeoutMs: probeStepMs } as const;
    return await refine(error, target, signal);
  }

  /** The exit code, after a sentence about it. What is no failure of the world is thrown again. */
  explain(error: unknown): number {
    const { signal } = this.#io;
    const cause: unknown = signal.aborted ? signal.reason : error;
    if (errorCode(cause) === "EPIPE") return exitCode.done;
    const fault = outputFault("standard output", cause);
    if (fault instanceof Fault) {
      const lines = describeFault(fault).trimEnd().split("\n").map(harmless);
      this.#io.err([...lines, ...this.#incomplete(), ""].join("\n"));
      return exitCode.failed;
    }
    if (!signal.aborted) throw error;
    const after = `interrupted after ${plural(this.#reading.rows, "row")}`;
    const { output } = this.#asked;
    this.#io.err(`${after}${output === undefined ? "" : `; ${harmless(output)} was not written`}\n`);
    return exitCode.failed;
  }

  /** A part of an answer must not be taken for all of it. */
  #incomplete(): string[] {
    if (this.#asked.output !== undefined || this.#reading.rows === 0 || this.#output?.bytes === 0) return [];
    return [`  What was printed before is not the whole answer (${plural(this.#reading.rows, "row")}).`];
  }
}

function lookFor({ output }: Asked, { isTerminal, columns, env }: QueryIo): Look {
  if (output !== undefined || !isTerminal) return { isScreen: false, width: undefined, paint: noColours };
  // https://no-color.org
  const isPlain = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  // 0 is what a terminal says that has never been told its size.
  return { isScreen: true, width: columns || 80, paint: isPlain ? noColours : colours };
}
