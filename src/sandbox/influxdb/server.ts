/**
 * A stand-in for InfluxDB 3 Core that speaks its HTTP API and Arrow Flight on one port, over DuckDB: for
 * trying and testing, not for keeping data. It listens on the loopback interface only.
 *
 * Known differences: a column that differs from another only by case has another name in SQL (`Temp~2`;
 * results and information_schema show the true one); there is no schema `system`; an overwritten point has its
 * last value at once, where InfluxDB may return either; a deleted database is gone at once; HTTP/2 is for
 * Flight only; InfluxQL has SELECT from one measurement and three SHOW statements (flight/influxql.ts).
 *
 * SQL is DuckDB's with InfluxDB's functions (functions.ts). In it, names without quotes are found in any case;
 * division by zero is NULL; CAST to an integer rounds, and there is none between numbers and times; date_trunc
 * and AT TIME ZONE have microseconds, and INTERVAL knows no nanoseconds; an integer sum beyond 64 bits is refused,
 * where InfluxDB wraps, and a sum of unsigned integers is signed; approximate percentiles are exact; a date is
 * text; date_bin_gapfill, locf, interpolate, tz, arrow_cast and the caches are refused; "No field named" does not
 * list the fields that there are.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";

import type { Answer } from "./answer.ts";
import { Refused, plainError } from "./answer.ts";
import type { AuthOptions } from "./auth.ts";
import { authorize } from "./auth.ts";
import type { CatalogLimits } from "./catalog.ts";
import { coreLimits } from "./catalog.ts";
import { createDatabase, deleteDatabase, listDatabases } from "./databases.ts";
import { Faults, FlightFaults } from "./faults.ts";
import type { FlightCounters } from "./flight/do-get.ts";
import { FrontDoor } from "./flight/front-door.ts";
import type { TlsOptions } from "./flight/front-door.ts";
import { GrpcServer } from "./flight/grpc-server.ts";
import { flightMethods } from "./flight/service.ts";
import { FlushQueue } from "./flush-queue.ts";
import { pingAnswer } from "./ping.ts";
import { handleQuery } from "./query.ts";
import type { SqlCell } from "./sql.ts";
import { Store } from "./store.ts";
import type { Observe, WriteDeps, WriteOutcome } from "./write.ts";
import { handleWrite, v2Parameters, v3Parameters } from "./write.ts";

export interface InfluxStandInOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  /** Where the data stays, for one stand-in at a time; absent: in memory. */
  readonly dataDirectory?: string;
  /** How long a write may wait for the others of its flush; 1000 as in Core. */
  readonly flushIntervalMs?: number;
  readonly auth?: AuthOptions;
  /** Then all of it is spoken over TLS, and `url` begins with https. */
  readonly tls?: TlsOptions;
  /** Silence of a Flight answer after which an empty batch is sent; 5000 as in Core. */
  readonly keepAliveMs?: number;
  /** 10 MiB as in Core; of the body as sent and as unpacked. */
  readonly maxBodyBytes?: number;
  /** Writes that wait for a flush; 100,000 as in Core. */
  readonly maxWaitingWrites?: number;
  readonly limits?: CatalogLimits;
  /** Called when a write is committed and again when its answer is sent; must not throw. */
  readonly observe?: Observe;
  /** Nanoseconds since 1970, for lines without a timestamp. */
  readonly nowNs?: () => bigint;
}

/** Counted since the start. A line is one of created, repeated, extended and overwritten. */
export interface InfluxCounters {
  requests: number;
  writes: number;
  linesAccepted: number;
  linesRefused: number;
  linesCreated: number;
  /** Written again with nothing new. */
  linesRepeated: number;
  /** Written again with further fields. */
  linesExtended: number;
  /** Written again with another value. */
  linesOverwritten: number;
}

export interface InfluxStandIn {
  /** `http://127.0.0.1:<port>`, https with `tls`; of HTTP and Flight alike. */
  readonly url: string;
  readonly port: number;
  readonly faults: Faults;
  readonly counters: Readonly<InfluxCounters>;
  readonly flightFaults: FlightFaults;
  readonly flightCounters: Readonly<FlightCounters>;
  /** Rows by column name; times are nanoseconds as BigInt, integers are BigInt. Throws `SqlRefusal`. */
  query(db: string, sql: string): Promise<Record<string, SqlCell>[]>;
  /** Flushes what waits, closes connections and data. The process can end after it. */
  stop(): Promise<void>;
}

/** Throws the faults `sandbox_duckdb_missing` and `sandbox_data_unusable`, or the error of `listen`. */
export async function startInfluxStandIn(options: InfluxStandInOptions = {}): Promise<InfluxStandIn> {
  const store = await Store.open({
    directory: options.dataDirectory,
    limits: options.limits ?? coreLimits,
  });
  const standIn = new StandIn(store, options);
  try {
    await standIn.listen(options.port ?? 0);
  } catch (error) {
    await standIn.stop();
    throw error;
  }
  return standIn;
}

class StandIn implements InfluxStandIn {
  readonly faults = new Faults();
  readonly counters: InfluxCounters = {
    requests: 0,
    writes: 0,
    linesAccepted: 0,
    linesRefused: 0,
    linesCreated: 0,
    linesRepeated: 0,
    linesExtended: 0,
    linesOverwritten: 0,
  };
  readonly flightFaults = new FlightFaults();
  readonly flightCounters: FlightCounters = { queries: 0, batches: 0, cancelled: 0, live: 0 };
  port = 0;
  readonly #store: Store;
  readonly #options: InfluxStandInOptions;
  readonly #write: WriteDeps;
  readonly #maxBodyBytes: number;
  readonly #processId = randomUUID();
  readonly #stopping = new AbortController();
  readonly #flight: GrpcServer;
  readonly #door: FrontDoor;
  readonly #serving = new Set<Promise<void>>();
  #stopped: Promise<void> | undefined;

  constructor(store: Store, options: InfluxStandInOptions) {
    this.#store = store;
    this.#options = options;
    this.#maxBodyBytes = options.maxBodyBytes ?? 10 * 1024 * 1024;
    const queue = new FlushQueue({
      intervalMs: options.flushIntervalMs ?? 1000,
      maxWrites: options.maxWaitingWrites ?? 100_000,
      commit: async (points) => {
        const effects = await store.commit(points);
        this.counters.linesCreated += effects.created;
        this.counters.linesRepeated += effects.repeated;
        this.counters.linesExtended += effects.extended;
        this.counters.linesOverwritten += effects.overwritten;
      },
    });
    const methods = flightMethods({
      store,
      auth: options.auth,
      faults: this.flightFaults,
      counters: this.flightCounters,
      keepAliveMs: options.keepAliveMs ?? 5000,
    });
    this.#flight = new GrpcServer(methods);
    const http1 = createServer((request, response) => this.#serve(request, response));
    this.#door = new FrontDoor({ http1, http2: this.#flight.http2 }, options.tls);
    this.#write = {
      store,
      queue,
      faults: this.faults,
      maxBodyBytes: this.#maxBodyBytes,
      nowNs: options.nowNs ?? (() => BigInt(Date.now()) * 1_000_000n),
      observe: options.observe ?? (() => undefined),
      count: (what, lines) => {
        this.counters[what] += lines;
      },
    };
  }

  get url(): string {
    const scheme = this.#options.tls === undefined ? "http" : "https";
    return `${scheme}://127.0.0.1:${this.port}`;
  }

  async listen(port: number): Promise<void> {
    this.port = await this.#door.listen(port);
  }

  async query(db: string, sql: string): Promise<Record<string, SqlCell>[]> {
    const database = this.#store.catalog.database(db);
    if (database === undefined) return [];
    const { columns, rows } = await this.#store.query(database, sql, {});
    return rows.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at] ?? null])));
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const closed = this.#door.close();
    this.#stopping.abort();
    await this.#write.queue.stop();
    // The writes of that last flush are answered in this turn of the event loop.
    await setImmediate();
    await this.#flight.stop();
    this.#door.destroyConnections();
    await closed;
    await Promise.all(this.#serving);
    await this.#write.queue.stop();
    await this.#store.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const serving = this.#answer(request, response).finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.counters.requests += 1;
    const requestId = this.counters.requests;
    // A client that goes away is no event here; what it wrote is committed or not.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const outcome = await this.#outcome(request, requestId);
    if (outcome.fate === "destroy") request.socket.destroy();
    if (outcome.fate !== "answer") return;
    const { answer, accepted } = outcome;
    if (accepted !== undefined) {
      response.once("finish", () => this.#write.observe("answered", accepted));
    }
    response.writeHead(answer.status, {
      ...(answer.status < 300 ? { "access-control-allow-origin": "*" } : {}),
      "cluster-uuid": this.#store.clusterId,
      ...answer.headers,
    });
    response.end(answer.body);
    // What a refused client still sends is read and thrown away, so that it gets to see the answer.
    request.resume();
  }

  async #outcome(request: IncomingMessage, requestId: number): Promise<WriteOutcome> {
    try {
      return await this.#route(request, requestId);
    } catch (error) {
      if (error instanceof Refused) return { fate: "answer", answer: error.answer };
      if (request.destroyed && !request.complete) return { fate: "destroy" };
      const reason = error instanceof Error ? error.message : String(error);
      return { fate: "answer", answer: { status: 500, body: reason } };
    }
  }

  async #route(request: IncomingMessage, requestId: number): Promise<WriteOutcome> {
    authorize(request.headers.authorization, this.#options.auth);
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://localhost");
    switch (`${request.method} ${pathname}`) {
      case "POST /api/v3/write_lp":
        if (this.faults.writeApi === "v2only") throw plainError(405, "Method Not Allowed");
        return await this.#writing(request, requestId, "v3", query);
      case "POST /api/v2/write":
        return await this.#writing(request, requestId, "v2", query);
      case "GET /api/v3/query_sql":
      case "POST /api/v3/query_sql":
        if (this.faults.writeApi === "v2only") throw plainError(404, "Not found");
        return answered(await handleQuery(this.#store, request, query, this.#maxBodyBytes));
      case "GET /api/v3/configure/database":
        return answered(listDatabases(this.#store, query));
      case "POST /api/v3/configure/database":
        return answered(await createDatabase(this.#store, request, this.#maxBodyBytes));
      case "DELETE /api/v3/configure/database":
        return answered(await deleteDatabase(this.#store, query));
      case "GET /health":
      case "GET /api/v1/health":
        return answered({
          status: 200,
          headers: { "content-type": "text/plain; charset=utf-8" },
          body: "OK",
        });
      case "GET /ping":
      case "POST /ping":
        return answered(pingAnswer(this.#processId));
      default:
        throw plainError(404, "Not found");
    }
  }

  async #writing(
    request: IncomingMessage,
    requestId: number,
    api: "v3" | "v2",
    query: URLSearchParams,
  ): Promise<WriteOutcome> {
    this.counters.writes += 1;
    const parameters = api === "v3" ? v3Parameters(query) : v2Parameters(query);
    try {
      return await handleWrite(this.#write, api, request, requestId, parameters);
    } finally {
      if (this.faults.delayMs > 0) {
        const { signal } = this.#stopping;
        await sleep(this.faults.delayMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

function answered(answer: Answer): WriteOutcome {
  return { fate: "answer", answer };
}
