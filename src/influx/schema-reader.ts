import { Fault } from "../lib/fault.ts";
import type { InfluxConfig } from "./config.ts";
import { orFault, type ReceivedAnswer } from "./exchange.ts";
import {
  classifyNotFound,
  classifySchema,
  notAQuestion,
  queryPath,
  schemaQuestion,
  type SchemaAnswer,
  type SchemaQuestion,
} from "./schema-answer.ts";
import { createTransport } from "./transport.ts";

/**
 * Reads the columns of our tables from InfluxDB's information_schema over HTTP, on a connection of its own,
 * so that reading never waits behind writes. One deadline for a reading, of one request or two: 5 s, or
 * `influxdb.write_timeout` where that is shorter, because writes wait for a reading, and a schema that takes
 * longer is not worth waiting for.
 */
export interface SchemaReader {
  /** Failures of the world are answers; it rejects only with the signal's reason. */
  read(signal: AbortSignal): Promise<SchemaAnswer>;
  /** A reading under way ends as "retry". */
  close(): void;
}

/** A column takes about 100 bytes: this is 80,000 of them. */
const maxAnswerBytes = 8 * 1024 * 1024;
const maxReadingMs = 5000;

export interface SchemaReaderOptions extends Pick<SchemaQuestion, "tables" | "prefix"> {
  readonly config: InfluxConfig;
}

export function createSchemaReader({ config, tables, prefix }: SchemaReaderOptions): SchemaReader {
  const readingMs = Math.min(config.writeTimeoutMs, maxReadingMs);
  const http = createTransport(
    { ...config, maxInFlight: 1, gzip: false },
    { errand: "schema", maxAnswerBytes },
  );
  const question = schemaQuestion({ database: config.database, tables, prefix });

  async function ask(body: string, timeoutMs: number, signal: AbortSignal): Promise<ReceivedAnswer | Fault> {
    const post = { path: queryPath, body, contentType: "application/json", timeoutMs, signal };
    return await orFault(http.post(post), signal);
  }

  return {
    async read(signal) {
      const deadlineMs = performance.now() + readingMs;
      const answer = await ask(question, readingMs, signal);
      if (answer instanceof Fault) return { kind: "retry", fault: answer };
      const meaning = classifySchema(answer);
      if (meaning.kind !== "not_found") return meaning;
      const shape = await ask(notAQuestion, Math.max(1, deadlineMs - performance.now()), signal);
      return shape instanceof Fault ? { kind: "retry", fault: shape } : classifyNotFound(shape);
    },
    close() {
      http.close();
    },
  };
}
