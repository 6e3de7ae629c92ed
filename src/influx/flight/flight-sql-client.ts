/** A Flight client that speaks Flight SQL too. A module of its own: the streams process has no use for those 7 MB. */
import type { FlightConfig } from "./api.ts";
import { createExtensibleClient, type FlightClientDeps } from "./client.ts";
import { flightSql } from "./flight-sql.ts";
import type { FlightSqlClient } from "./flight-sql-api.ts";

export function createFlightSqlClient(config: FlightConfig, deps: FlightClientDeps = {}): FlightSqlClient {
  const { client, complete, streamDeps } = createExtensibleClient(config, deps);
  return { ...client, sql: flightSql({ ownUrl: config.url, complete, streamDeps }) };
}
