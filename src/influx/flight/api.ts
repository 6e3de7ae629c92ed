/**
 * Queries over Arrow Flight: what is asked, and the four ways to read the answer.
 *
 * A `FlightStream` is one query and is read once, in one way. Nothing is sent before that. Leaving a loop,
 * `cancel()`, an abort and a deadline all end the query on the server too; a consumer that is slow holds the
 * server back. Whatever goes wrong is a `Fault` (layer "flight", or the network's, see docs/errors.md) that
 * rejects the pull in progress, or the next one; an abort rejects with the signal's reason. Nothing that a server sends
 * throws anywhere else.
 */
import type { RecordBatch, Schema, Table } from "apache-arrow";
import type { Row, RowOptions } from "../arrow/rows.ts";
import type { Secret } from "../../lib/secret.ts";
import type { ProxyConfig, TlsConfig } from "../../net/config.ts";

export interface FlightConfig {
  /** http://host:port is plaintext HTTP/2, https:// verifies as `tls` says; a path is no part of it. */
  readonly url: string;
  readonly database: string;
  readonly token?: Secret;
  readonly tls: TlsConfig;
  /** Absent: connections are made straight to the server. */
  readonly proxy?: ProxyConfig;
  /** For queries that name none of their own. */
  readonly timeoutMs: number;
}

/**
 * The value of a `$name` placeholder. A number is bound as a float (5 as 5.0), a bigint exactly as an integer (−2⁶³ to
 * 2⁶⁴−1). InfluxDB has no timestamp parameter: pass text and write `CAST($from AS TIMESTAMP)`.
 */
export type QueryParam = null | boolean | number | bigint | string;

export interface FlightQuery extends ReadOptions {
  readonly text: string;
  /** Default "sql". */
  readonly language?: "sql" | "influxql";
  readonly params?: Readonly<Record<string, QueryParam>>;
}

/** How something is read, whatever it is. */
export interface ReadOptions {
  /** Default: the client's. */
  readonly database?: string;
  /** gRPC metadata of the caller's, keys in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Stands in the metadata (`x-request-id`), in faults and in log lines; default: a random UUID. */
  readonly requestId?: string;
  /** From the first pull to the end of the stream, retries included. */
  readonly timeoutMs?: number;
  /** Longest time without any message, keep-alives included, once the schema is there. Default 20 s. */
  readonly silenceMs?: number;
  /**
   * Of the whole stream, as received and once more as decompressed, where it is; a null that takes no byte counts as one.
   * More is the fault `flight_result_too_big`.
   */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /**
   * A read may be asked anew after a fault of disposition "retry", with backoff, until the timeout. "before_rows" (default): as
   * long as the consumer has seen no row. "always": also later; the consumer then gets all rows again, from the
   * first one, after `onRestart` was called. "never": not at all.
   */
  readonly retry?: "before_rows" | "always" | "never";
  /** The answer begins again: forget what came so far. */
  readonly onRestart?: () => void;
}

/** What InfluxDB says a column is (`iox::column::type`). Absent for computed and cast ones. */
export type InfluxColumn =
  | { readonly kind: "timestamp" | "tag" }
  | { readonly kind: "field"; readonly type: "float" | "integer" | "uinteger" | "string" | "boolean" };

export interface Column {
  readonly name: string;
  /** As Arrow prints it: "Timestamp<NANOSECOND>", "Float64", "Utf8". */
  readonly arrowType: string;
  readonly nullable: boolean;
  readonly influx: InfluxColumn | undefined;
}

/** One record batch, and what stood beside it in its message. Keep-alives (0 rows) do not show. */
export interface Chunk {
  readonly batch: RecordBatch;
  readonly appMetadata: Uint8Array;
}

/** Pull by pull; one batch is in memory. */
export interface BatchReader {
  readonly schema: Schema;
  readonly columns: readonly Column[];
  /** Undefined: the stream has ended well. */
  next(): Promise<RecordBatch | undefined>;
  /** Ends the query on the server. Harmless after the end. */
  cancel(): void;
}

/** How a stream ended that was read to its end. */
export interface FlightEnd {
  readonly rows: number;
  readonly batches: number;
  /** Batches of no rows: InfluxDB sends one every 5 s while it has nothing to say. */
  readonly keepAlives: number;
  /** Headers, bodies and metadata of the messages. */
  readonly bytes: number;
  /** gRPC's trailing metadata; InfluxDB's own are `x-influxdata-*` (Core sends none). Binary ones are left out. */
  readonly trailers: Readonly<Record<string, string>>;
  /** From the request to its end; of the last attempt. */
  readonly elapsedMs: number;
  readonly attempts: number;
}

export interface FlightStream {
  readonly requestId: string;
  /** The whole answer as one Arrow table. `maxBytes` here is that of the query, the smaller counts. */
  all(options?: { readonly maxBytes?: number }): Promise<Table>;
  /** Plain objects, one after the other: `for await (const row of stream.rows())`. */
  rows(options?: RowOptions): Rows;
  chunks(): AsyncIterable<Chunk>;
  reader(): Promise<BatchReader>;
  /** Resolves when the stream was read to its end; stays pending when it was not. Never rejects. */
  readonly ended: Promise<FlightEnd>;
}

export interface Rows extends AsyncIterable<Row> {
  /** All of them in one array. */
  collect(options?: { readonly maxBytes?: number }): Promise<Row[]>;
  /** The rows of one record batch at a time, which spares an await for each row; never an empty array. */
  batches(): AsyncIterable<readonly Row[]>;
  /** Resolves when the schema has arrived. Begins the query. */
  columns(): Promise<readonly Column[]>;
}

export interface FlightClient {
  /** A limit that is negative or NaN is a bug. */
  query(query: FlightQuery): FlightStream;
  /** Streams under way end with the fault `flight_closed`. */
  close(): void;
}
