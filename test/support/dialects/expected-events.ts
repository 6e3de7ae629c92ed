/**
 * What everything but the uplinks' own tables holds in the database `lorawan`: cells that were worked out by
 * hand. `device` has a row for each device at first sight.
 */
import { row, table } from "../tables.ts";
import type { Row, Tables } from "../tables.ts";
import { received } from "./expected-series.ts";

const barns: Row = { application_id: "5b000000-0000-4000-8000-0000000000b1", site: "barn-7" };
const names: Row = { application_name: "barns", tenant_name: "Farm", time_source: "event" };
const pump: Row = { dev_eui: "70b3d50000000005", ...barns };
const pumpNames: Row = { ...names, device_name: "pump", profile_name: "Class C Pump" };
const scale: Row = { dev_eui: "0202030405060709", application_id: "125", site: "barn-7" };
const scaleNames: Row = { application_name: "weights", device_name: "scale", time_source: "event" };

const v4Events: readonly Row[] = [
  row(
    {
      time: "2026-03-10T11:57:10",
      ...pump,
      event: "join",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000010",
      dev_addr: "01a44c50",
      region_config_id: "eu868",
    },
    { relay_dev_eui: "00000000000000aa", relay_rssi: -77, relay_snr: 3 },
  ),
  {
    time: "2026-03-10T11:57:20",
    ...pump,
    event: "join",
    ...pumpNames,
    deduplication_id: "4a000000-0000-4000-8000-000000000011",
    dev_addr: "01a44c51",
    region_config_id: "eu868",
  },
  row(
    {
      time: "2026-03-10T11:57:30",
      ...pump,
      event: "ack",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000012",
    },
    { acknowledged: true, f_cnt_down: 4, queue_item_id: "9e000000-0000-4000-8000-000000000001" },
  ),
  row(
    {
      time: "2026-03-10T11:57:40",
      ...pump,
      event: "ack",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000013",
    },
    { acknowledged: false, f_cnt_down: 5, queue_item_id: "9e000000-0000-4000-8000-000000000002" },
  ),
  row(
    { time: "2026-03-10T11:57:50", ...pump, event: "txack", ...pumpNames },
    { f_cnt_down: 4, queue_item_id: "9e000000-0000-4000-8000-000000000001", downlink_id: 77 },
    { tx_gateway_id: "7276ff000b031df7", frequency: 869_525_000, tx_power: 27, spreading_factor: 9 },
  ),
  row(
    { time: "2026-03-10T11:58:00", ...pump, event: "txack", ...pumpNames },
    { f_cnt_down: 5, queue_item_id: "9e000000-0000-4000-8000-000000000002", downlink_id: 78 },
    { tx_gateway_id: "7276ff000b031df8", frequency: 868_100_000, tx_power: 14, spreading_factor: 7 },
  ),
  row(
    { time: "2026-03-10T11:58:10.015654971", ...pump, event: "log", ...pumpNames },
    { log_level: "ERROR", log_code: "UPLINK_CODEC" },
    {
      log_text: 'JS error: Error: "decodeUplink" is not defined\n    at <eval>\n',
      deduplication_id: "4a000000-0000-4000-8000-0000000000ff",
    },
  ),
  row(
    { time: "2026-03-10T11:58:20", ...pump, event: "log", ...pumpNames },
    { log_level: "WARNING", log_code: "UPLINK_F_CNT_RETRANSMISSION" },
    {
      log_text: "Uplink was flagged as re-transmission",
      deduplication_id: "4a000000-0000-4000-8000-0000000000fe",
    },
  ),
  row(
    {
      time: "2026-03-10T11:58:30",
      ...pump,
      event: "location",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000016",
    },
    { latitude: 47.25, longitude: 8.75, altitude: 500.5, location_source: "GEO_RESOLVER_TDOA" },
  ),
  row(
    {
      time: "2026-03-10T11:58:40",
      ...pump,
      event: "location",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000017",
    },
    { latitude: -33.5, longitude: 151.25, altitude: 0, location_accuracy: 12.3 },
  ),
  row(
    {
      time: "2026-03-10T11:58:50",
      ...pump,
      event: "integration",
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000018",
    },
    { integration_name: "loracloud", event_type: "DAS_UplinkResponse" },
  ),
];

const v3Events: readonly Row[] = [
  row(
    { time: received },
    { dev_eui: "a840410000000101", application_id: "123", site: "barn-7", building: "water" },
    { event: "log" },
    { application_name: "water", device_name: "tank 1" },
    { time_source: "received" },
    { log_level: "ERROR", log_code: "UPLINK_F_CNT_RETRANSMISSION", f_cnt: 260 },
    { log_text: "frame-counter did not increment" },
  ),
  { time: "2026-03-10T11:52:10", ...scale, event: "join", ...scaleNames, dev_addr: "01a44c71" },
  row(
    { time: "2026-03-10T11:52:20", ...scale, event: "ack", ...scaleNames },
    { acknowledged: true, f_cnt_down: 12 },
  ),
  row(
    { time: "2026-03-10T11:52:30", ...scale, event: "txack", ...scaleNames },
    { f_cnt_down: 13, tx_gateway_id: "b827ebfffed7e6e4", frequency: 869_525_000, tx_power: 27 },
    { spreading_factor: 8 },
  ),
  row(
    { time: "2026-03-10T11:52:40", ...scale, event: "log", ...scaleNames },
    { log_level: "ERROR", log_code: "UPLINK_F_CNT_RETRANSMISSION", f_cnt: 30 },
    { log_text: "frame-counter did not increment" },
  ),
  row(
    { time: "2026-03-10T11:53:00", ...scale, event: "location", ...scaleNames },
    {
      latitude: 46.5,
      longitude: 7.5,
      altitude: 600,
      location_accuracy: 40,
      location_source: "GEO_RESOLVER_TDOA",
    },
  ),
  row(
    { time: "2026-03-10T11:53:10", ...scale, event: "integration", ...scaleNames },
    { integration_name: "loracloud", event_type: "DAS_UplinkResponse" },
  ),
];

/** The 0 % on the wire beside a flag are no battery level. */
const statuses: readonly Row[] = [
  row(
    {
      time: "2026-03-10T11:59:00",
      ...pump,
      ...pumpNames,
      deduplication_id: "4a000000-0000-4000-8000-000000000020",
    },
    { downlink_snr: -7, battery_level: 88.3, external_power: false, battery_level_unavailable: false },
  ),
  row(
    { time: "2026-03-10T11:59:10" },
    { dev_eui: "70b3d50000000006", ...barns },
    { ...pumpNames, device_name: "lamp", deduplication_id: "4a000000-0000-4000-8000-000000000021" },
    { downlink_snr: 10, external_power: true, battery_level_unavailable: false },
  ),
  row(
    { time: "2026-03-10T11:59:20" },
    { dev_eui: "70b3d50000000007", ...barns },
    { ...pumpNames, device_name: "gate", deduplication_id: "4a000000-0000-4000-8000-000000000022" },
    { downlink_snr: 0, external_power: false, battery_level_unavailable: true },
  ),
  row(
    { time: "2026-03-10T11:51:10" },
    { dev_eui: "0202030405060708", application_id: "124", site: "barn-7" },
    { application_name: "stables", device_name: "trough", time_source: "event" },
    { downlink_snr: 12, battery_level: 75.59, external_power: false, battery_level_unavailable: false },
  ),
  row(
    { time: "2026-03-10T11:52:50", ...scale, ...scaleNames },
    { downlink_snr: -3, external_power: false, battery_level_unavailable: true },
  ),
];

const mast = { gateway_id: "7276ff000b031df7", site: "barn-7" };

const gatewayEvents: readonly Row[] = [
  { time: received, ...mast, event: "conn", online: false },
  { time: received, ...mast, event: "conn", online: true },
  { time: received, gateway_id: "7276ff000b031dfa", site: "barn-7", event: "conn", online: false },
  row(
    { time: "2026-03-10T11:48:00", ...mast, event: "mesh", relay_id: "0102aabb" },
    { mesh_hops: 3, relay_path: "0102ccdd>0102eeff", rssi: -110, snr: -5, time_source: "event" },
  ),
  row(
    { time: "2026-03-10T11:48:00", ...mast },
    { event: "mesh", relay_id: "0102ccdd", mesh_hops: 1, time_source: "event" },
  ),
];

export const expectedEvents: Tables = {
  device_event: table(
    {
      tag: "dev_eui application_id site building event",
      string:
        "deduplication_id device_name application_name profile_name tenant_name time_source dev_addr " +
        "region_config_id relay_dev_eui queue_item_id tx_gateway_id log_level log_code log_text location_source " +
        "integration_name event_type",
      integer: "relay_rssi f_cnt_down downlink_id frequency tx_power spreading_factor f_cnt",
      float: "relay_snr latitude longitude altitude location_accuracy",
      boolean: "acknowledged",
    },
    [...v4Events, ...v3Events],
  ),
  device_status: table(
    {
      tag: "dev_eui application_id site",
      string: "deduplication_id device_name application_name profile_name tenant_name time_source",
      integer: "downlink_snr",
      float: "battery_level",
      boolean: "external_power battery_level_unavailable",
    },
    statuses,
  ),
  gateway_event: table(
    {
      tag: "gateway_id site event relay_id",
      boolean: "online",
      integer: "mesh_hops rssi",
      float: "snr",
      string: "relay_path time_source",
    },
    gatewayEvents,
  ),
};

/** Made when five minutes and half a minute have passed. */
export const expectedStats: Tables = {
  gateway_stats: table(
    {
      tag: "gateway_id site",
      integer: "rx_received rx_received_ok tx_received tx_emitted tx_failed stats_count tx_ok tx_too_late",
      float: "duty_cycle duty_cycle_m duty_cycle_p latitude longitude altitude meta_cpu_temp",
      string: "meta_model meta_serial meta_concentratord_version",
    },
    [
      row(
        { time: "2026-03-10T12:00:00", ...mast },
        {
          rx_received: 30,
          rx_received_ok: 22,
          tx_received: 5,
          tx_emitted: 4,
          tx_failed: 1,
          stats_count: 2,
        },
        { tx_ok: 4, tx_too_late: 1, duty_cycle: 0.5, duty_cycle_m: 0.25, duty_cycle_p: 0.5 },
        { latitude: 47.2, longitude: 8.6, altitude: 513 },
        {
          meta_model: "RAK7289",
          meta_serial: "12345",
          meta_cpu_temp: 49.25,
          meta_concentratord_version: "4.7",
        },
      ),
      // They came two slots of five minutes late, hence the two microseconds.
      row(
        { time: "2026-03-10T11:50:00.000002", ...mast },
        { rx_received: 5, rx_received_ok: 5, tx_received: 0, tx_emitted: 0, tx_failed: 0, stats_count: 1 },
      ),
      row(
        { time: "2026-03-10T12:00:00" },
        { gateway_id: "7276ff000b031df8", site: "barn-7" },
        { rx_received: 0, rx_received_ok: 0, tx_received: 0, tx_emitted: 0, tx_failed: 0, stats_count: 1 },
      ),
    ],
  ),
};
