/**
 * The columns that we make by ourselves, table by table. A configured tag may not be called like one where
 * it would appear: the column would have to get out of its way, and every query for it would find nothing.
 * Pure.
 */

/** Tags that are no field's name in any table, so that a name means one thing everywhere; and `time`. */
export const commonTags = ["time", "dev_eui", "application_id", "gateway_id"] as const;

/** Tags of some tables; elsewhere a payload may have fields of these names. */
export const tagsOfSomeTables = ["event", "node", "relay_id"] as const;

/** Of tables whose columns others name: how many values of the row found no column. */
export const leftOutColumn = "fields_left_out";

/** Of `telemetry_<profile>`, beside what the codec gives. */
export const telemetryColumns = ["device_name", "f_cnt", "f_port", leftOutColumn, "from_history"] as const;

const nameColumns = ["device_name", "application_name", "profile_name", "tenant_name"] as const;
const relayColumns = ["relay_dev_eui", "relay_rssi", "relay_snr"] as const;
const locationColumns = ["latitude", "longitude", "altitude"] as const;
const statusColumns = [
  "downlink_snr",
  "battery_level",
  "external_power",
  "battery_level_unavailable",
] as const;

const uplinkColumns = [
  "deduplication_id",
  "f_cnt",
  "f_port",
  "dr",
  "gateway_count",
  "rssi",
  "snr",
  "margin",
  "frequency",
  "spreading_factor",
  "bandwidth",
  "bitrate",
  "code_rate",
  "airtime_ms",
  "payload_bytes",
  "adr",
  "confirmed",
  "dev_addr",
  "region_config_id",
  "best_gateway_id",
  "ns_delay_ms",
  ...relayColumns,
  ...nameColumns,
  "time_source",
] as const;

const uplinkRxColumns = [
  "rssi",
  "snr",
  "margin",
  "channel",
  "f_cnt",
  "spreading_factor",
  "frequency",
  "ns_delay_ms",
  ...locationColumns,
  "crc_ok",
] as const;

const deviceEventColumns = [
  // join
  "dev_addr",
  "region_config_id",
  ...relayColumns,
  // ack, txack
  "acknowledged",
  "f_cnt_down",
  "queue_item_id",
  "downlink_id",
  "tx_gateway_id",
  "frequency",
  "tx_power",
  "spreading_factor",
  // log
  "log_level",
  "log_code",
  "log_text",
  "f_cnt",
  // location
  ...locationColumns,
  "location_accuracy",
  "location_source",
  // integration
  "integration_name",
  "event_type",
  // all
  "deduplication_id",
  ...nameColumns,
  "time_source",
] as const;

const deviceStatusColumns = [...statusColumns, "deduplication_id", ...nameColumns, "time_source"] as const;

/** The registry. */
const deviceColumns = [
  ...nameColumns,
  "profile_id",
  "tenant_id",
  "dev_addr",
  "last_event",
  "first_seen_ms",
  "last_seen_ms",
  "last_uplink_ms",
  "f_cnt",
  "interval_s",
  "gateways_known",
  ...statusColumns,
] as const;

/** Beside those named after statuses, bands and metadata: `tx_<status>`, `duty_cycle_<band>`, `meta_<key>`. */
const gatewayStatsColumns = [
  "rx_received",
  "rx_received_ok",
  "tx_received",
  "tx_emitted",
  "tx_failed",
  "tx_other",
  "stats_count",
  "duty_cycle",
  ...locationColumns,
  leftOutColumn,
] as const;

/** event = "conn": online; event = "mesh": the others. */
const gatewayEventColumns = ["online", "mesh_hops", "relay_path", "rssi", "snr", "time_source"] as const;

const nodeColumns = [
  "version",
  "uptime_s",
  "backlog",
  "oldest_unsent_s",
  "evicted",
  "quarantined",
  "received",
  "committed",
  "written",
  "own_written",
  "projected",
  "duplicates",
  "retained_untimed",
  "stats_left_out",
  "retries",
  "held",
  "waiting_for_clock",
  "qos0_received",
  "clock_trusted",
  "disk_free_bytes",
  "journal_bytes",
  "memory_rss_bytes",
  "influxdb",
  "brokers_connected",
  "brokers",
] as const;

const deviceTables = {
  uplink: uplinkColumns,
  uplink_rx: uplinkRxColumns,
  telemetry: telemetryColumns,
  device_event: deviceEventColumns,
  device_status: deviceStatusColumns,
  device: deviceColumns,
} as const;

/** By table; "telemetry" stands for all of `telemetry_<profile>`. */
export const ownColumns: Readonly<Record<string, readonly string[]>> = {
  ...deviceTables,
  gateway_stats: gatewayStatsColumns,
  gateway_event: gatewayEventColumns,
  flightline_node: nodeColumns,
};

const ownTags = [...commonTags, ...tagsOfSomeTables];

/** What a device tag may not be called: device tags are on the rows of devices only. */
export const takenForDeviceTags: ReadonlySet<string> = new Set([
  ...ownTags,
  ...Object.values(deviceTables).flat(),
]);

/** What a static tag may not be called: static tags are on every row. */
export const takenForStaticTags: ReadonlySet<string> = new Set([
  ...ownTags,
  ...Object.values(ownColumns).flat(),
]);
