/**
 * What `flightline doctor` says about queries over Arrow Flight to one InfluxDB: over the client of the daemon's
 * queries, with their token. No table is read.
 */
import type { InfluxConfig } from "../influx/config.ts";
import type { FlightSqlClient } from "../influx/flight/flight-sql-api.ts";
import { flightConfigOf } from "../influx/flight/config.ts";
import { orFault } from "../influx/exchange.ts";
import { Fault } from "../lib/fault.ts";
import { oneLine } from "../lib/one-line.ts";
import { peerWords, type Peer } from "../net/diagnose.ts";
import type { Examination } from "./finding.ts";
import { boundsOf, narrowed, tellClock, type ClockBounds } from "./influxdb-clock.ts";
import { examineWay } from "./influxdb-connection.ts";
import { Lines, median, roundedMs, shownMs } from "./lines.ts";

export interface FlightOptions {
  /** As for `examineInfluxdb`. Default: "server". */
  readonly about?: "server" | "database";
}

const ofAddress = ["name", "tcp", "tls"] as const;
const ofQuery = ["query", "token", "database"] as const;
const ofServer = ["flight_sql", "clock", "round_trip"] as const;

const stepMs = 5000;
const roundTrips = 5;

/** Its checks begin with `flight.<name>`. What is the same address as for writes is looked at there. */
export function examineFlight(name: string, config: InfluxConfig, options: FlightOptions = {}): Examination {
  const isWhole = options.about !== "database";
  const isElsewhere = new URL(config.flightUrl).origin !== new URL(config.url).origin;
  const address = isElsewhere ? [...(config.proxy === undefined ? [] : ["proxy"]), ...ofAddress] : [];
  const checks = isWhole ? [...address, "alpn", ...ofQuery, ...ofServer] : ofQuery;
  return async (report, signal) => {
    const lines = new Lines(`flight.${name}`, checks, report);
    const { createFlightSqlClient } = await import("../influx/flight/flight-sql-client.ts");
    const client = createFlightSqlClient(flightConfigOf(config));
    try {
      await new Look(config, client, lines, signal, isWhole).run(new Set(checks));
    } catch (error) {
      // What was not told is said by the runner, which has the time.
      if (!signal.aborted) throw error;
    } finally {
      client.close();
    }
  };
}

class Look {
  readonly #config: InfluxConfig;
  readonly #client: FlightSqlClient;
  readonly #lines: Lines;
  readonly #signal: AbortSignal;
  readonly #isWhole: boolean;
  readonly #peer: Peer;

  constructor(
    config: InfluxConfig,
    client: FlightSqlClient,
    lines: Lines,
    signal: AbortSignal,
    isWhole: boolean,
  ) {
    this.#config = config;
    this.#client = client;
    this.#lines = lines;
    this.#signal = signal;
    this.#isWhole = isWhole;
    this.#peer = { target: "flight", url: config.flightUrl };
  }

  async run(told: ReadonlySet<string>): Promise<void> {
    const { tls, proxy } = this.#config;
    const hasToken = this.#token() !== undefined;
    const way = { peer: this.#peer, tls, proxy, speaks: "grpc", hasToken } as const;
    const { isOpen, suspicion } = await examineWay(way, told, this.#lines, this.#signal);
    if (!isOpen) {
      this.#lines.rest("not tried: no connection");
      return;
    }
    const first = await this.#now();
    if (first instanceof Fault) {
      this.#tellFailure(first, suspicion);
      return;
    }
    const text = `SELECT now() is answered, ${shownMs(first.tookMs)} with connecting`;
    this.#lines.ok("query", text, { firstQueryMs: roundedMs(first.tookMs) });
    this.#tellToken();
    this.#lines.ok("database", `${this.#config.database} exists and may be read`);
    if (!this.#isWhole) return;
    await this.#tellFlightSql();
    await this.#tellTimes(first);
  }

  #token(): InfluxConfig["token"] {
    return this.#config.queryToken ?? this.#config.token;
  }

  #tellToken(): void {
    const { queryToken, token } = this.#config;
    if (queryToken !== undefined) this.#lines.ok("token", "query_token is accepted, or none is asked for");
    else if (token !== undefined)
      this.#lines.ok("token", "the token for writing may read, or none is asked for");
    else this.#lines.ok("token", "none is configured, and the server asks for none");
  }

  /** Which line a query fails on tells how far it came. */
  #tellFailure(fault: Fault, suspicion: Fault | undefined): void {
    const { code } = fault;
    if (code === "flight_unauthorized" || code === "flight_forbidden") {
      this.#lines.ok("query", "Flight answers, and refuses the token");
      this.#lines.fault("token", fault);
      this.#lines.rest("not tried: the token is not accepted");
    } else if (code === "flight_database_missing") {
      this.#lines.ok("query", "Flight answers, and finds no such database");
      this.#tellToken();
      // It may be one that is yet to be created: that is said where writing is looked at.
      this.#lines.fault("database", fault, "warning");
      this.#lines.rest("not tried: a query needs a database");
    } else {
      // A call cannot tell what a probe can, of the same way.
      this.#lines.fault("query", suspicion ?? fault);
      this.#lines.rest("not tried: queries are not answered");
    }
  }

  /** Who speaks it says who he is. */
  async #tellFlightSql(): Promise<void> {
    const [nameId, versionId] = [0, 1];
    const asked = { timeoutMs: stepMs, retry: "never", signal: this.#signal } as const;
    const infos = await orFault(
      (async () => await this.#client.sql.sqlInfo([nameId, versionId], asked).list())(),
      this.#signal,
    );
    if (infos instanceof Fault) {
      this.#lines.fault("flight_sql", infos, "warning");
      return;
    }
    const said = (wanted: number): string => {
      const value = infos.find(({ id }) => id === wanted)?.value;
      return typeof value === "string" ? oneLine(value, 60) : "?";
    };
    const text = `spoken by ${said(nameId)}, version ${said(versionId)}`;
    this.#lines.ok("flight_sql", text, { server: said(nameId), version: said(versionId) });
  }

  async #tellTimes(first: Reading): Promise<void> {
    const readings = [first];
    for (let n = 0; n < roundTrips; n += 1) {
      const reading = await this.#now();
      if (reading instanceof Fault) {
        this.#lines.fault("round_trip", reading, "warning");
        break;
      }
      readings.push(reading);
    }
    const clocks = readings.map(({ clock }) => clock).filter((clock) => clock !== undefined);
    const { name } = peerWords(this.#peer);
    tellClock(this.#lines, narrowed(clocks), { name, retentionMs: undefined });
    if (readings.length <= roundTrips) return;
    const ms = median(readings.slice(1).map(({ tookMs }) => tookMs)) ?? 0;
    const text = `${shownMs(ms)}, the median of ${roundTrips} queries on one connection`;
    this.#lines.ok("round_trip", text, { roundTripMs: roundedMs(ms) });
  }

  async #now(): Promise<Reading | Fault> {
    const startedMs = performance.now();
    const askedMs = Date.now();
    const query = {
      text: "SELECT now() AS now",
      timeoutMs: stepMs,
      retry: "never",
      signal: this.#signal,
    } as const;
    const asked = (async () =>
      await this.#client.query(query).rows({ times: "ns" }).collect({ maxBytes: 65_536 }))();
    const rows = await orFault(asked, this.#signal);
    if (rows instanceof Fault) return rows;
    const answeredMs = Date.now();
    const now = rows[0]?.["now"];
    const clock =
      typeof now === "bigint"
        ? boundsOf({ theirMs: Number(now / 1_000_000n), stepMs: 1, askedMs, answeredMs })
        : undefined;
    return { tookMs: performance.now() - startedMs, clock };
  }
}

interface Reading {
  readonly tookMs: number;
  readonly clock: ClockBounds | undefined;
}
