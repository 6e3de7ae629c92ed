/** The Flight client of one InfluxDB: what every query of it shares. */
import { randomUUID } from "node:crypto";
import { assert } from "../../lib/fault.ts";
import type { FlightClient, FlightConfig, ReadOptions } from "./api.ts";
import { openChannel, type FlightChannel } from "./channel.ts";
import type { ReadingDeps, ReadRequest } from "./reading.ts";
import { QueryStream } from "./stream.ts";
import { encodeTicket } from "./ticket.ts";

export interface FlightClientDeps {
  /** Default: one to `config.url`, opened when the first query begins. */
  readonly channel?: FlightChannel;
  /** Uniform in [0, 1); for the backoff. Default: Math.random. */
  readonly random?: () => number;
}

/** A client, and what more can be asked over its channel with. */
export interface ExtensibleClient {
  readonly client: FlightClient;
  readonly complete: <O extends ReadOptions>(options: O) => O & CompleteOptions;
  readonly streamDeps: ReadingDeps;
}

type CompleteOptions = Pick<ReadRequest, "requestId" | "database" | "timeoutMs">;

export function createFlightClient(config: FlightConfig, deps: FlightClientDeps = {}): FlightClient {
  return createExtensibleClient(config, deps).client;
}

export function createExtensibleClient(config: FlightConfig, deps: FlightClientDeps = {}): ExtensibleClient {
  const underWay = new Set<{ close(): void }>();
  let { channel } = deps;
  let isClosed = false;
  const streamDeps: ReadingDeps = {
    channel: () => (isClosed ? undefined : (channel ??= openChannel(config))),
    random: deps.random ?? Math.random,
    underWay,
  };
  function complete<O extends ReadOptions>(options: O): O & CompleteOptions {
    const { requestId = randomUUID(), database = config.database, timeoutMs = config.timeoutMs } = options;
    const { maxBytes = Infinity, silenceMs = Infinity } = options;
    // A limit that is not a number would be none.
    assert(timeoutMs >= 0, `a query with a timeout of ${timeoutMs} ms`);
    assert(maxBytes >= 0, `a query with a byte budget of ${maxBytes}`);
    assert(silenceMs >= 0, `a query with a longest silence of ${silenceMs} ms`);
    return { ...options, requestId, database, timeoutMs };
  }
  const client: FlightClient = {
    query(query) {
      const request = complete(query);
      const open: ReadRequest["open"] = (on, options) => on.doGet(encodeTicket(request), options);
      return new QueryStream({ ...request, open }, streamDeps);
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      for (const reading of underWay) reading.close();
      channel?.close();
    },
  };
  return { client, complete, streamDeps };
}
