import { defined } from "../../lib/schema.ts";
import type { InfluxConfig } from "../config.ts";
import type { FlightConfig } from "./api.ts";

/** What `[influxdb]`, or a route, says of queries. */
export function flightConfigOf(influx: InfluxConfig): FlightConfig {
  return {
    url: influx.flightUrl,
    database: influx.database,
    ...defined({ token: influx.queryToken ?? influx.token, proxy: influx.proxy }),
    tls: influx.tls,
    timeoutMs: influx.queryTimeoutMs,
  };
}
