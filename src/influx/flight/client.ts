/** The Flight client of one InfluxDB: what every query of it shares. */
import { randomUUID } from "node:crypto";
import { assert } from "../../lib/fault.ts";
import type { FlightConfig, ReadOptions } from "./api.ts";
import { openChannel, type FlightChannel } from "./channel.ts";
import { flightSql } from "./flight-sql.ts";
import type { FlightSqlClient } from "./flight-sql-api.ts";
import type { ReadRequest } from "./reading.ts";
import { QueryStream } from "./stream.ts";
import { encodeTicket } from "./ticket.ts";

export interface FlightClientDeps {
  /** Default: one to `config.url`, opened when the first query begins. */
  readonly channel?: FlightChannel;
  /** Uniform in [0, 1); for the backoff. Default: Math.random. */
  readonly random?: () => number;
}

export function createFlightClient(config: FlightConfig, deps: FlightClientDeps = {}): FlightSqlClient {
  const underWay = new Set<{ close(): void }>();
  let { channel } = deps;
  let isClosed = false;
  const streamDeps = {
    channel: () => (isClosed ? undefined : (channel ??= openChannel(config))),
    random: deps.random ?? Math.random,
    underWay,
  };
  function complete<O extends ReadOptions>(
    options: O,
  ): O & Pick<ReadRequest, "requestId" | "database" | "timeoutMs"> {
    const { requestId = randomUUID(), database = config.database, timeoutMs = config.timeoutMs } = options;
    const { maxBytes = Infinity, silenceMs = Infinity } = options;
    // A limit that is not a number would be none.
    assert(timeoutMs >= 0, `a query with a timeout of ${timeoutMs} ms`);
    assert(maxBytes >= 0, `a query with a byte budget of ${maxBytes}`);
    assert(silenceMs >= 0, `a query with a longest silence of ${silenceMs} ms`);
    return { ...options, requestId, database, timeoutMs };
  }
  return {
    query(query) {
      const request = complete(query);
      const open: ReadRequest["open"] = (on, options) => on.doGet(encodeTicket(request), options);
      return new QueryStream({ ...request, open }, streamDeps);
    },
    sql: flightSql({ ownUrl: config.url, complete, streamDeps }),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      for (const reading of underWay) reading.close();
      channel?.close();
    },
  };
}
