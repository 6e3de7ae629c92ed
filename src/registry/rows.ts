/**
 * The registry, the sums and our own health as rows. What is not known is absent, never 0 or "".
 *
 * - `device`: one row a day and one on change. Strings: device_name, application_name, profile_name,
 *   tenant_name, profile_id, tenant_id, dev_addr, last_event (the kind of the last event). Integers:
 *   first_seen, last_seen, last_uplink (ms since 1970), f_cnt (of the last uplink), gateway_count (those that
 *   heard it; at most 16), margin (dB, as the device heard a downlink). Floats: interval_s, battery_level (%).
 *   Booleans: external_power, battery_level_unavailable. Instants are ms since 1970, which Grafana shows as
 *   date or age by the unit of the field: an age would be wrong as soon as it is written.
 * - `gateway_stats`: one row for each sum, at the start of its five minutes plus one microsecond for each
 *   bucket that its messages came late: what comes late makes a row of its own, and sum() over rows stays
 *   right. Integers: rx_received, rx_received_ok, tx_received, tx_emitted, tx_failed, tx_<status> (downlinks
 *   that ended so), stats_count (messages in the row). Floats: duty_cycle_<band> and duty_cycle, the highest of
 *   them (share of what is allowed: 1 is all of it), latitude, longitude, altitude. meta_<key>: what the
 *   gateway says of itself, a float where it is a plain decimal and no identifier, else a string.
 * - `gateway_event` with event = "conn": online (boolean).
 * - `flightline_node`: see `NodeFigures`.
 */
import { Columns } from "../telemetry/columns.ts";
import { freeName } from "../telemetry/flatten.ts";
import { isNumberText } from "../telemetry/leaf-rules.ts";
import type { Point, Tag } from "../telemetry/point.ts";
import type { TagSettings } from "../telemetry/settings.ts";
import { slug } from "../telemetry/table.ts";
import { deviceTags, gatewayTags, tagLayout } from "../telemetry/tags.ts";
import { sortedByKey } from "./bounds.ts";
import type { DeviceRecord, StatsSum } from "./records.ts";

export function deviceRow(record: DeviceRecord, timeNs: bigint, settings: TagSettings): Point {
  const { session, power, intervalMs } = record;
  const layout = tagLayout(settings);
  const columns = new Columns(layout.reserved);
  columns.names(record);
  columns.text("profile_id", record.profileId);
  columns.text("tenant_id", record.tenantId);
  columns.text("dev_addr", session?.devAddr ?? "");
  columns.text("last_event", record.lastEvent);
  columns.integer("first_seen", wholeOf(record.firstSeenMs));
  columns.integer("last_seen", wholeOf(record.lastSeenMs));
  columns.integer("last_uplink", wholeOf(record.lastUplinkMs));
  columns.integer("f_cnt", session?.lastFCnt);
  columns.float("interval_s", intervalMs === undefined ? undefined : intervalMs / 1000);
  columns.integer("gateway_count", record.gateways.size);
  columns.float("battery_level", power?.batteryPercent);
  columns.flag("external_power", power?.externalPower);
  columns.flag("battery_level_unavailable", power?.batteryUnavailable);
  columns.integer("margin", power?.marginDb);
  return { table: "device", tags: deviceTags(record, layout), fields: columns.fields, timeNs };
}

export function gatewayStatsRow(sum: StatsSum, settings: TagSettings): Point {
  const layout = tagLayout(settings);
  const columns = new Columns(layout.reserved);
  columns.integer("rx_received", sum.rxReceived);
  columns.integer("rx_received_ok", sum.rxReceivedOk);
  columns.integer("tx_received", sum.txReceived);
  columns.integer("tx_emitted", sum.txEmitted);
  columns.integer("tx_failed", txFailed(sum));
  columns.integer("stats_count", sum.count);
  addStatuses(columns, sum);
  addDutyCycle(columns, sum);
  columns.float("latitude", sum.location?.latitude);
  columns.float("longitude", sum.location?.longitude);
  columns.float("altitude", sum.location?.altitude);
  addMetadata(columns, sum);
  return {
    table: "gateway_stats",
    tags: gatewayTags(sum.gatewayId, layout),
    fields: columns.fields,
    timeNs: BigInt(sum.bucketMs) * 1_000_000n + BigInt(sum.delay) * 1000n,
  };
}

export function gatewayConnRow(
  gatewayId: string,
  online: boolean,
  timeNs: bigint,
  settings: TagSettings,
): Point {
  const layout = tagLayout(settings);
  const columns = new Columns(layout.reserved);
  columns.flag("online", online);
  const tags = [...gatewayTags(gatewayId, layout), { name: "event", value: "conn" }];
  return { table: "gateway_event", tags, fields: columns.fields, timeNs };
}

/** What Flightline says of itself, each minute. Counters count since its start. */
export interface NodeFigures {
  readonly version: string;
  readonly uptimeS: number;
  /** Messages in the journal that are not settled. */
  readonly backlog: number;
  /** Age of the oldest of them; undefined when there is none. */
  readonly oldestUnsentS: number | undefined;
  readonly evicted: number;
  readonly quarantined: number;
  readonly received: number;
  readonly committed: number;
  /** Messages whose rows are in InfluxDB. */
  readonly written: number;
  readonly duplicates: number;
  readonly retries: number;
  /** Messages that wait for a trusted clock. */
  readonly held: number;
  readonly qos0Received: number;
  readonly clockTrusted: boolean;
  readonly diskFreeBytes: number | undefined;
  readonly journalBytes: number | undefined;
  readonly memoryRssBytes: number;
  /** "up", or how it is not. */
  readonly influxdb: string;
  readonly brokersConnected: number;
  readonly brokers: number;
}

/** Counts and bytes are integers, seconds are floats. */
export function nodeRow(figures: NodeFigures, node: string, timeNs: bigint, settings: TagSettings): Point {
  const layout = tagLayout(settings);
  const columns = new Columns(layout.reserved);
  columns.text("version", figures.version);
  columns.float("uptime_s", figures.uptimeS);
  columns.integer("backlog", figures.backlog);
  columns.float("oldest_unsent_s", figures.oldestUnsentS);
  columns.integer("evicted", figures.evicted);
  columns.integer("quarantined", figures.quarantined);
  columns.integer("received", figures.received);
  columns.integer("committed", figures.committed);
  columns.integer("written", figures.written);
  columns.integer("duplicates", figures.duplicates);
  columns.integer("retries", figures.retries);
  columns.integer("held", figures.held);
  columns.integer("qos0_received", figures.qos0Received);
  columns.flag("clock_trusted", figures.clockTrusted);
  columns.integer("disk_free_bytes", wholeOf(figures.diskFreeBytes));
  columns.integer("journal_bytes", wholeOf(figures.journalBytes));
  columns.integer("memory_rss_bytes", wholeOf(figures.memoryRssBytes));
  columns.text("influxdb", figures.influxdb);
  columns.integer("brokers_connected", figures.brokersConnected);
  columns.integer("brokers", figures.brokers);
  const statics: readonly Tag[] = layout.statics.filter((tag) => tag.value !== "");
  const tags = [{ name: "node", value: node }, ...statics];
  return { table: "flightline_node", tags, fields: columns.fields, timeNs };
}

/** Clocks and file systems count in fractions now and then: an integer column takes none. */
function wholeOf(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}

/** Of downlinks that were asked for, unless the gateway does not say how they ended. */
function txFailed({ txByStatus, txReceived }: StatsSum): number | undefined {
  if (txByStatus.size === 0 && txReceived > 0) return undefined;
  let failed = 0;
  for (const [status, count] of txByStatus) if (status !== "OK") failed += count;
  return failed;
}

function addStatuses(columns: Columns, sum: StatsSum): void {
  const taken = new Set(columns.fields.map(({ name }) => name));
  for (const [status, count] of sortedByKey(sum.txByStatus)) {
    columns.integer(claim(`tx_${slug(status)}`, taken), count);
  }
}

function addDutyCycle(columns: Columns, { dutyCycle }: StatsSum): void {
  if (dutyCycle.size === 0) return;
  columns.float("duty_cycle", Math.max(...dutyCycle.values()));
  const taken = new Set<string>();
  for (const [band, load] of sortedByKey(dutyCycle)) {
    columns.float(claim(`duty_cycle_${slug(band)}`, taken), load);
  }
}

function addMetadata(columns: Columns, { metadata }: StatsSum): void {
  const taken = new Set<string>();
  for (const [key, value] of sortedByKey(metadata)) {
    const name = slug(key);
    const column = claim(`meta_${name}`, taken);
    if (isNumberText(name, value)) columns.float(column, Number(value));
    else columns.text(column, value);
  }
}

/** Keys that have the same letters get a column each, in the order of the keys. */
function claim(wanted: string, taken: Set<string>): string {
  const name = freeName(wanted, taken);
  taken.add(name);
  return name;
}
