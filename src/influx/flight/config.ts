import { defined } from "../../lib/schema.ts";
import type { ProxyConfig } from "../../net/config.ts";
import type { InfluxConfig } from "../config.ts";
import type { FlightConfig } from "./api.ts";

/** A connection that may lead through a proxy. */
export interface ReachableFlightConfig extends FlightConfig {
  readonly proxy?: ProxyConfig;
}

/** What `[influxdb]`, or a route, says of queries. */
export function flightConfigOf(influx: InfluxConfig): ReachableFlightConfig {
  return {
    url: influx.flightUrl,
    database: influx.database,
    ...defined({ token: influx.queryToken ?? influx.token, proxy: influx.proxy }),
    tls: influx.tls,
    timeoutMs: influx.queryTimeoutMs,
  };
}
