/**
 * Records of the registry as rows of state.db and back. Lists and maps are JSON text; NULL is "not known".
 * Pure. What `fromRow` functions are given was written by `toRow` functions; they throw for anything else.
 */
import type { Location } from "../chirpstack/event.ts";
import type {
  DeviceRecord,
  GatewayRecord,
  Power,
  Session,
  StatsSum,
  UnshownState,
} from "../registry/records.ts";

/** A row by column, for statements with named parameters. */
export type Row = Readonly<Record<string, string | number | null>>;

export function deviceToRow(record: DeviceRecord): Row {
  const { session, power } = record;
  return {
    dev_eui: record.devEui,
    device_name: record.deviceName,
    profile_id: record.profileId,
    profile_name: record.profileName,
    application_id: record.applicationId,
    application_name: record.applicationName,
    tenant_id: record.tenantId,
    tenant_name: record.tenantName,
    tags: mapToJson(record.tags),
    first_seen_ms: record.firstSeenMs,
    last_seen_ms: record.lastSeenMs,
    last_event: record.lastEvent,
    last_uplink_ms: record.lastUplinkMs ?? null,
    interval_ms: record.intervalMs ?? null,
    interval_samples_ms: JSON.stringify(record.intervalSamplesMs),
    dev_addr: session?.devAddr ?? null,
    session_since_ms: session?.sinceMs ?? null,
    session_last_uplink_ms: session?.lastUplinkMs ?? null,
    last_f_cnt: session?.lastFCnt ?? null,
    gateways: mapToJson(record.gateways),
    power_at_ms: power?.atMs ?? null,
    battery_percent: power?.batteryPercent ?? null,
    external_power: fromFlag(power?.externalPower),
    battery_unavailable: fromFlag(power?.batteryUnavailable),
    margin_db: power?.marginDb ?? null,
    row_day: record.rowDay ?? null,
    change_row_ms: record.changeRowMs ?? null,
    row_owed: Number(record.isRowOwed),
  };
}

export function deviceFromRow(row: Row): DeviceRecord {
  return {
    devEui: text(row, "dev_eui"),
    tenantId: text(row, "tenant_id"),
    tenantName: text(row, "tenant_name"),
    applicationId: text(row, "application_id"),
    applicationName: text(row, "application_name"),
    profileId: text(row, "profile_id"),
    profileName: text(row, "profile_name"),
    deviceName: text(row, "device_name"),
    tags: mapFromJson<string>(text(row, "tags")),
    firstSeenMs: number(row, "first_seen_ms"),
    lastSeenMs: number(row, "last_seen_ms"),
    lastEvent: text(row, "last_event"),
    lastUplinkMs: optional(row, "last_uplink_ms"),
    session: sessionFromRow(row),
    intervalMs: optional(row, "interval_ms"),
    intervalSamplesMs: listFromJson<number>(text(row, "interval_samples_ms")),
    gateways: mapFromJson<number>(text(row, "gateways")),
    power: powerFromRow(row),
    rowDay: optional(row, "row_day"),
    changeRowMs: optional(row, "change_row_ms"),
    isRowOwed: number(row, "row_owed") === 1,
  };
}

function sessionFromRow(row: Row): Session | undefined {
  if (row["dev_addr"] === null) return undefined;
  return {
    devAddr: text(row, "dev_addr"),
    sinceMs: number(row, "session_since_ms"),
    lastFCnt: number(row, "last_f_cnt"),
    lastUplinkMs: number(row, "session_last_uplink_ms"),
  };
}

function powerFromRow(row: Row): Power | undefined {
  if (row["power_at_ms"] === null) return undefined;
  return {
    atMs: number(row, "power_at_ms"),
    batteryPercent: optional(row, "battery_percent"),
    externalPower: flag(row, "external_power"),
    batteryUnavailable: flag(row, "battery_unavailable"),
    marginDb: optional(row, "margin_db"),
  };
}

export function gatewayToRow(record: GatewayRecord): Row {
  const { unshown } = record;
  return {
    gateway_id: record.gatewayId,
    first_seen_ms: record.firstSeenMs,
    last_seen_ms: record.lastSeenMs,
    online: fromFlag(record.online),
    online_since_ms: record.onlineSinceMs ?? null,
    state_topics: mapToJson(record.stateTopics),
    shown_online: fromFlag(unshown?.shownOnline),
    shown_since_ms: unshown?.shownSinceMs ?? null,
    // An i64 does not fit SQLite's numbers as JavaScript reads them.
    unshown_time_ns: unshown === undefined ? null : String(unshown.timeNs),
    unshown_source: unshown?.source ?? null,
    unshown_due_ms: unshown?.dueMs ?? null,
    last_stats_ms: record.lastStatsMs ?? null,
    stats_times_ms: JSON.stringify(record.statsTimesMs),
    stats_forgotten_ms: record.statsForgottenMs ?? null,
    stats_source: record.statsSource,
    ...locationToRow(record.location),
  };
}

export function gatewayFromRow(row: Row): GatewayRecord {
  return {
    gatewayId: text(row, "gateway_id"),
    firstSeenMs: number(row, "first_seen_ms"),
    lastSeenMs: number(row, "last_seen_ms"),
    online: flag(row, "online"),
    onlineSinceMs: optional(row, "online_since_ms"),
    stateTopics: mapFromJson<boolean>(text(row, "state_topics")),
    unshown: unshownFromRow(row),
    lastStatsMs: optional(row, "last_stats_ms"),
    statsTimesMs: listFromJson<number>(text(row, "stats_times_ms")),
    statsForgottenMs: optional(row, "stats_forgotten_ms"),
    statsSource: text(row, "stats_source"),
    location: locationFromRow(row),
  };
}

function unshownFromRow(row: Row): UnshownState | undefined {
  if (row["unshown_due_ms"] === null) return undefined;
  return {
    shownOnline: flag(row, "shown_online"),
    shownSinceMs: optional(row, "shown_since_ms"),
    timeNs: BigInt(text(row, "unshown_time_ns")),
    source: text(row, "unshown_source"),
    dueMs: number(row, "unshown_due_ms"),
  };
}

export function sumToRow(sum: StatsSum): Row {
  return {
    gateway_id: sum.gatewayId,
    bucket_ms: sum.bucketMs,
    delay: sum.delay,
    source: sum.source,
    closes_ms: sum.closesMs,
    count: sum.count,
    // An i64 does not fit a JSON number.
    times_ns: JSON.stringify(sum.timesNs.map(String)),
    rx_received: sum.rxReceived,
    rx_received_ok: sum.rxReceivedOk,
    tx_received: sum.txReceived,
    tx_emitted: sum.txEmitted,
    tx_by_status: mapToJson(sum.txByStatus),
    duty_cycle: mapToJson(sum.dutyCycle),
    metadata: mapToJson(sum.metadata),
    ...locationToRow(sum.location),
  };
}

export function sumFromRow(row: Row): StatsSum {
  return {
    gatewayId: text(row, "gateway_id"),
    source: text(row, "source"),
    bucketMs: number(row, "bucket_ms"),
    delay: number(row, "delay"),
    closesMs: number(row, "closes_ms"),
    count: number(row, "count"),
    timesNs: listFromJson<string>(text(row, "times_ns")).map(BigInt),
    rxReceived: number(row, "rx_received"),
    rxReceivedOk: number(row, "rx_received_ok"),
    txReceived: number(row, "tx_received"),
    txEmitted: number(row, "tx_emitted"),
    txByStatus: mapFromJson<number>(text(row, "tx_by_status")),
    dutyCycle: mapFromJson<number>(text(row, "duty_cycle")),
    metadata: mapFromJson<string>(text(row, "metadata")),
    location: locationFromRow(row),
  };
}

function locationToRow(location: Location | undefined): Row {
  return {
    latitude: location?.latitude ?? null,
    longitude: location?.longitude ?? null,
    altitude: location?.altitude ?? null,
  };
}

function locationFromRow(row: Row): Location | undefined {
  if (row["latitude"] === null) return undefined;
  return {
    latitude: number(row, "latitude"),
    longitude: number(row, "longitude"),
    altitude: optional(row, "altitude"),
  };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`${column} is no text`);
  return value;
}

function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new TypeError(`${column} is no number`);
  return value;
}

function optional(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : number(row, column);
}

function flag(row: Row, column: string): boolean | undefined {
  return row[column] === null ? undefined : number(row, column) === 1;
}

function fromFlag(value: boolean | undefined): number | null {
  return value === undefined ? null : Number(value);
}

function mapToJson(map: ReadonlyMap<string, string | number | boolean>): string {
  return JSON.stringify(Object.fromEntries(map));
}

function mapFromJson<T extends string | number | boolean>(json: string): ReadonlyMap<string, T> {
  return new Map(Object.entries(JSON.parse(json) as Record<string, T>));
}

function listFromJson<T extends string | number | boolean>(json: string): T[] {
  const list: unknown = JSON.parse(json);
  if (!Array.isArray(list)) throw new TypeError("no list");
  return list as T[];
}
