/**
 * The columns that `points` makes by itself, and that a configured tag may therefore not be called: the
 * column would have to get out of its way, and every query for it would find nothing. Pure.
 */

export const ownTags = ["time", "dev_eui", "application_id", "gateway_id"] as const;

export const uplinkColumns = [
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
  "payload_size",
  "adr",
  "confirmed",
  "dev_addr",
  "region_config_id",
  "best_gateway_id",
  "ns_delay_ms",
  "device_name",
  "application_name",
  "profile_name",
  "tenant_name",
  "time_source",
] as const;

export const uplinkRxColumns = [
  "rssi",
  "snr",
  "margin",
  "channel",
  "f_cnt",
  "spreading_factor",
  "frequency",
  "ns_delay_ms",
  "latitude",
  "longitude",
  "altitude",
  "crc_ok",
] as const;

/** Of `telemetry_<profile>`, beside what the codec gives. */
export const telemetryColumns = ["device_name", "f_cnt", "f_port", "fields_left_out"] as const;

export const ownColumns: ReadonlySet<string> = new Set([
  ...ownTags,
  ...uplinkColumns,
  ...uplinkRxColumns,
  ...telemetryColumns,
]);
