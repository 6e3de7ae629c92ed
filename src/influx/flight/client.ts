/** The Flight client of one InfluxDB: what every query of it shares. */
import { randomUUID } from "node:crypto";
import { assert } from "../../lib/fault.ts";
import type { FlightClient, FlightConfig } from "./api.ts";
import { openChannel, type FlightChannel } from "./channel.ts";
import { QueryStream } from "./stream.ts";

export interface FlightClientDeps {
  /** Default: one to `config.url`, opened when the first query begins. */
  readonly channel?: FlightChannel;
  /** Uniform in [0, 1); for the backoff. Default: Math.random. */
  readonly random?: () => number;
}

export function createFlightClient(config: FlightConfig, deps: FlightClientDeps = {}): FlightClient {
  const underWay = new Set<{ close(): void }>();
  let { channel } = deps;
  let isClosed = false;
  const streamDeps = {
    channel: () => (isClosed ? undefined : (channel ??= openChannel(config))),
    random: deps.random ?? Math.random,
    underWay,
  };
  return {
    query: (query) => {
      const { requestId = randomUUID(), database = config.database, timeoutMs = config.timeoutMs } = query;
      const { maxBytes = Infinity, silenceMs = Infinity } = query;
      // A limit that is not a number would be none.
      assert(timeoutMs >= 0, `a query with a timeout of ${timeoutMs} ms`);
      assert(maxBytes >= 0, `a query with a byte budget of ${maxBytes}`);
      assert(silenceMs >= 0, `a query with a longest silence of ${silenceMs} ms`);
      return new QueryStream({ ...query, requestId, database, timeoutMs }, streamDeps);
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      for (const reading of underWay) reading.close();
      channel?.close();
    },
  };
}
