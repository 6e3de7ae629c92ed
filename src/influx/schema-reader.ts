import { Fault } from "../lib/fault.ts";
import type { InfluxConfig } from "./config.ts";
import type { ReceivedAnswer } from "./exchange.ts";
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
 * so that reading never waits behind writes. One deadline, `influxdb.write_timeout`, for each request.
 */
export interface SchemaReader {
  /** Failures of the world are answers; it rejects only with the signal's reason. */
  read(signal: AbortSignal): Promise<SchemaAnswer>;
  /** A reading under way ends as "retry". */
  close(): void;
}

/** A column takes about 100 bytes: this is 80,000 of them. */
const maxAnswerBytes = 8 * 1024 * 1024;

export interface SchemaReaderOptions extends Pick<SchemaQuestion, "tables" | "prefix"> {
  readonly config: InfluxConfig;
}

export function createSchemaReader({ config, tables, prefix }: SchemaReaderOptions): SchemaReader {
  const http = createTransport(
    { ...config, maxInFlight: 1, gzip: false },
    { errand: "schema", maxAnswerBytes },
  );
  const question = schemaQuestion({ database: config.database, tables, prefix });

  async function ask(body: string, signal: AbortSignal): Promise<ReceivedAnswer | Fault> {
    try {
      return await http.post({ path: queryPath, body, contentType: "application/json", signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Fault) return error;
      throw error;
    }
  }

  return {
    async read(signal) {
      const answer = await ask(question, signal);
      if (answer instanceof Fault) return { kind: "retry", fault: answer };
      const meaning = classifySchema(answer);
      if (meaning.kind !== "not_found") return meaning;
      const shape = await ask(notAQuestion, signal);
      return shape instanceof Fault ? { kind: "retry", fault: shape } : classifyNotFound(shape);
    },
    close() {
      http.close();
    },
  };
}
