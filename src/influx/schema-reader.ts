import { Fault } from "../lib/fault.ts";
import type { Outages } from "../net/probe-outage.ts";
import type { InfluxConfig } from "./config.ts";
import { orFault, type ReceivedAnswer } from "./exchange.ts";
import {
  classifyFlightSchema,
  classifyNotFound,
  classifySchema,
  notAQuestion,
  queryPath,
  schemaQuestion,
  schemaSql,
  type SchemaAnswer,
  type SchemaQuestion,
} from "./schema-answer.ts";
import { createTransport, outagesOf } from "./transport.ts";

/**
 * Reads the columns of our tables from InfluxDB's information_schema over HTTP, on a connection of its own,
 * so that reading never waits behind writes. One deadline for a reading, of one request or several: 5 s, or
 * `influxdb.write_timeout` where that is shorter, because writes wait for a reading, and a schema that takes
 * longer is not worth waiting for.
 *
 * Over Flight where there is no SQL over HTTP, which is found out once: HTTP first, because it costs this process
 * next to nothing, while Flight starts another one. That takes seconds on a small machine; a reading that nobody
 * waits for gives it the time.
 */
export interface SchemaReader {
  /** Failures of the world are answers; it rejects only with the signal's reason. */
  read(signal: AbortSignal, look?: { readonly mayBeAwaited: boolean }): Promise<SchemaAnswer>;
  /** A reading under way ends as "retry". */
  close(): void;
}

/** A column takes about 100 bytes: this is 80,000 of them. */
const maxAnswerBytes = 8 * 1024 * 1024;
const maxReadingMs = 5000;
/** Over Flight, when nobody waits. */
const patientMs = 20_000;

/** The rows of a query. Rejects with a Fault, soon after the time at the latest, or with the signal's reason. */
export type AskOverFlight = (
  sql: string,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<readonly unknown[]>;

export interface SchemaReaderOptions extends Pick<SchemaQuestion, "tables" | "prefix"> {
  readonly config: InfluxConfig;
  readonly askOverFlight: AskOverFlight;
  /** Of that server, shared with its writer. */
  readonly outages?: Outages;
}

export function createSchemaReader(options: SchemaReaderOptions): SchemaReader {
  const { config, tables, prefix, askOverFlight, outages = outagesOf(config) } = options;
  const readingMs = Math.min(config.writeTimeoutMs, maxReadingMs);
  const http = createTransport({ ...config, maxInFlight: 1, gzip: false }, outages, {
    errand: "schema",
    maxAnswerBytes,
  });
  const question = schemaQuestion({ database: config.database, tables, prefix });
  let isOverHttp = true;

  async function ask(body: string, timeoutMs: number, signal: AbortSignal): Promise<ReceivedAnswer | Fault> {
    const post = { path: queryPath, body, contentType: "application/json", timeoutMs, signal };
    return await orFault(http.post(post), signal);
  }

  /** A proxy whose server is away may answer like a server without that path: what fails is asked over HTTP again. */
  async function overFlight(timeoutMs: number, signal: AbortSignal): Promise<SchemaAnswer> {
    const answer = await orFault(askOverFlight(schemaSql({ tables, prefix }), timeoutMs, signal), signal);
    const meaning = classifyFlightSchema(answer);
    isOverHttp = meaning.kind !== "read";
    return meaning;
  }

  return {
    async read(signal, { mayBeAwaited } = { mayBeAwaited: true }) {
      const deadlineMs = performance.now() + readingMs;
      const leftMs = (): number => Math.max(1, Math.ceil(deadlineMs - performance.now()));
      const flightMs = (): number => (mayBeAwaited ? leftMs() : patientMs);
      if (!isOverHttp) return await overFlight(flightMs(), signal);
      const answer = await ask(question, readingMs, signal);
      if (answer instanceof Fault) return { kind: "retry", fault: answer };
      const meaning = classifySchema(answer);
      if (meaning.kind === "no_path") return await overFlight(flightMs(), signal);
      if (meaning.kind !== "not_found") return meaning;
      const shape = await ask(notAQuestion, leftMs(), signal);
      if (shape instanceof Fault) return { kind: "retry", fault: shape };
      const found = classifyNotFound(shape);
      return found.kind === "no_path" ? await overFlight(flightMs(), signal) : found;
    },
    close() {
      http.close();
    },
  };
}
