/**
 * The registry, the sums and our own health as rows. What is not known is absent, never 0 or "".
 *
 * - `device`: one row a day, one on change, and one with the first interval_s. Strings: device_name, application_name, profile_name,
 *   tenant_name, profile_id, tenant_id, dev_addr, last_event (the kind of the last event). Integers:
 *   first_seen_ms, last_seen_ms, last_uplink_ms (since 1970), f_cnt (of the last uplink), gateways_known (the
 *   newest 16 that have heard it), downlink_snr (dB, as in `device_status`). Floats: interval_s, battery_level
 *   (%). Booleans: external_power, battery_level_unavailable. Instants are ms since 1970, which Grafana shows as
 *   date or age by the unit of the field: an age would be wrong as soon as it is written.
 * - `gateway_stats`: one row for each sum, at the start of its five minutes plus one microsecond for each
 *   bucket that its messages came late: what comes late makes a row of its own, and sum() over rows stays
 *   right. Integers: rx_received, rx_received_ok, tx_received, tx_emitted, tx_failed, tx_<status> (downlinks
 *   that ended so; tx_other: in a way that ChirpStack does not know), stats_count (messages in the row). Floats:
 *   latitude, longitude, altitude, duty_cycle, the highest of the bands' (share of what is allowed: 1 is all of
 *   it). Then the columns that gateways name, of which a table has only so many (`fit.ts`): duty_cycle_<band>;
 *   meta_<key>, what the gateway says of itself, a float where it is a plain decimal and no identifier, else a
 *   string. fields_left_out: how many of them found no column.
 * - `gateway_event` with event = "conn": online (boolean).
 * - `flightline_node`: see `NodeFigures`.
 */
import { Columns } from "../telemetry/columns.ts";
import { freeName } from "../telemetry/flatten.ts";
import { isNumberText } from "../telemetry/leaf-rules.ts";
import type { Point, Tag } from "../telemetry/point.ts";
import { positive } from "../telemetry/radio.ts";
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
  columns.integer("first_seen_ms", wholeOf(record.firstSeenMs));
  columns.integer("last_seen_ms", wholeOf(record.lastSeenMs));
  columns.integer("last_uplink_ms", wholeOf(record.lastUplinkMs));
  columns.integer("f_cnt", session?.lastFCnt);
  columns.float("interval_s", intervalMs === undefined ? undefined : intervalMs / 1000);
  columns.integer("gateways_known", positive(record.gateways.size));
  columns.float("battery_level", power?.batteryPercent);
  columns.flag("external_power", power?.externalPower);
  columns.flag("battery_level_unavailable", power?.batteryUnavailable);
  columns.integer("downlink_snr", power?.marginDb);
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
  for (const [status, count] of sortedByKey(sum.txByStatus)) columns.integer(`tx_${slug(status)}`, count);
  if (sum.dutyCycle.size > 0) columns.float("duty_cycle", Math.max(...sum.dutyCycle.values()));
  columns.float("latitude", sum.location?.latitude);
  columns.float("longitude", sum.location?.longitude);
  columns.float("altitude", sum.location?.altitude);
  const openFrom = columns.fields.length;
  addBands(columns, sum);
  addMetadata(columns, sum);
  return {
    table: "gateway_stats",
    tags: gatewayTags(sum.gatewayId, layout),
    fields: columns.fields,
    timeNs: BigInt(sum.bucketMs) * 1_000_000n + BigInt(sum.delay) * 1000n,
    openFrom,
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

/** What Flightline says of itself now and then. Counters count since its start. */
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
  /** Brokers' messages whose rows are in InfluxDB. */
  readonly written: number;
  /** Our own messages whose rows are. */
  readonly ownWritten: number;
  /** Messages of gateways that the registry and the sums are made of, and no rows of their own. */
  readonly projected: number;
  readonly duplicates: number;
  /** Messages that were retained and do not say when it happened: not written. */
  readonly retainedUntimed: number;
  /** Statistics of gateways that are in no row, because others of their sum are gone. */
  readonly statsLeftOut: number;
  readonly retries: number;
  /** Messages that InfluxDB refused, which wait to be tried again, now. */
  readonly held: number;
  /** Messages that wait for the clock to be right, now. */
  readonly waitingForClock: number;
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
  columns.integer("own_written", figures.ownWritten);
  columns.integer("projected", figures.projected);
  columns.integer("duplicates", figures.duplicates);
  columns.integer("retained_untimed", figures.retainedUntimed);
  columns.integer("stats_left_out", figures.statsLeftOut);
  columns.integer("retries", figures.retries);
  columns.integer("held", figures.held);
  columns.integer("waiting_for_clock", figures.waitingForClock);
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

function addBands(columns: Columns, { dutyCycle }: StatsSum): void {
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
