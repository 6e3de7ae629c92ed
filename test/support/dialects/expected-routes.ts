/** What the two routes take, each in its own database: cells that were worked out by hand. */
import { row, table } from "../tables.ts";
import type { Row, Tables } from "../tables.ts";
import { received } from "./expected-series.ts";

const rented: Row = {
  dev_eui: "70b3d50000000008",
  application_id: "5b000000-0000-4000-8000-0000000000b1",
  site: "barn-7",
};
const rentedNames: Row = {
  device_name: "rented",
  application_name: "barns",
  profile_name: "Tracker",
  tenant_name: "Tenant B",
};
const deviceTags = "dev_eui application_id site";
const nameColumns = "device_name application_name profile_name tenant_name";
const rentedUpMs = Date.parse("2026-03-10T11:54:00Z");

export const expectedTenantB: Tables = {
  uplink: table(
    {
      tag: deviceTags,
      string: `deduplication_id code_rate dev_addr region_config_id best_gateway_id ${nameColumns} time_source`,
      integer: "f_cnt f_port dr gateway_count rssi frequency spreading_factor bandwidth payload_bytes",
      float: "snr margin airtime_ms",
      boolean: "adr confirmed",
    },
    [
      row(
        { time: "2026-03-10T11:54:00", ...rented, ...rentedNames },
        { deduplication_id: "4a000000-0000-4000-8000-000000000030", f_cnt: 1, f_port: 1, dr: 3 },
        { gateway_count: 1, rssi: -50, snr: 9, margin: 21.5, frequency: 868_300_000, spreading_factor: 9 },
        { bandwidth: 125_000, code_rate: "4/5", airtime_ms: 164.864, payload_bytes: 2, adr: true },
        { confirmed: false, dev_addr: "01a44c60", region_config_id: "eu868", time_source: "event" },
        { best_gateway_id: "7276ff000b031df7" },
      ),
    ],
  ),
  uplink_rx: table(
    {
      tag: `${deviceTags} gateway_id`,
      integer: "rssi channel f_cnt spreading_factor frequency",
      float: "snr margin",
    },
    [
      row(
        { time: "2026-03-10T11:54:00", ...rented },
        { gateway_id: "7276ff000b031df7", rssi: -50, snr: 9, margin: 21.5, channel: 0, f_cnt: 1 },
        { spreading_factor: 9, frequency: 868_300_000 },
      ),
    ],
  ),
  telemetry_tracker: table(
    { tag: deviceTags, string: "device_name", integer: "f_cnt f_port", float: "batV", boolean: "inTrip" },
    [
      row(
        { time: "2026-03-10T11:54:00", ...rented },
        { device_name: "rented", f_cnt: 1, f_port: 1, batV: 4.48, inTrip: true },
      ),
    ],
  ),
  device_status: table(
    {
      tag: deviceTags,
      string: `deduplication_id ${nameColumns} time_source`,
      integer: "downlink_snr",
      float: "battery_level",
      boolean: "external_power battery_level_unavailable",
    },
    [
      row(
        { time: "2026-03-10T11:54:10", ...rented, ...rentedNames },
        { deduplication_id: "4a000000-0000-4000-8000-000000000031", time_source: "event" },
        { downlink_snr: 5, battery_level: 50, external_power: false, battery_level_unavailable: false },
      ),
    ],
  ),
  device_event: table(
    { tag: `${deviceTags} event`, string: `log_level log_code log_text ${nameColumns} time_source` },
    [
      row(
        { time: "2026-03-10T11:54:20", ...rented, ...rentedNames },
        { event: "log", log_level: "INFO", log_code: "EXPIRED", log_text: "Queue-item expired" },
        { time_source: "event" },
      ),
    ],
  ),
  device: table(
    {
      tag: deviceTags,
      string: `${nameColumns} profile_id tenant_id dev_addr last_event`,
      integer: "first_seen_ms last_seen_ms last_uplink_ms f_cnt gateways_known",
    },
    [
      row(
        { time: "2026-03-10T11:54:00", ...rented, ...rentedNames },
        {
          profile_id: "e3000000-0000-4000-8000-000000000008",
          tenant_id: "7e000000-0000-4000-8000-00000000000b",
        },
        { dev_addr: "01a44c60", last_event: "up", f_cnt: 1, gateways_known: 1 },
        { first_seen_ms: rentedUpMs, last_seen_ms: rentedUpMs, last_uplink_ms: rentedUpMs },
      ),
    ],
  ),
};

const well: Row = { dev_eui: "a840410000000501", application_id: "5", site: "barn-7" };
const wellNames: Row = { device_name: "well", application_name: "remote", profile_name: "Well" };
const wellUpMs = Date.parse("2026-03-10T11:49:00Z");
const remote: Row = { gateway_id: "0016c001f153a14c", site: "barn-7" };

export const expectedSite2: Tables = {
  uplink: table(
    {
      tag: deviceTags,
      string: "best_gateway_id device_name application_name profile_name time_source",
      integer: "f_cnt f_port dr gateway_count rssi frequency payload_bytes",
      float: "snr",
      boolean: "adr",
    },
    [
      row(
        { time: "2026-03-10T11:49:00", ...well, ...wellNames },
        { f_cnt: 44, f_port: 3, dr: 5, gateway_count: 1, rssi: -88, snr: 1.5, frequency: 868_300_000 },
        { payload_bytes: 1, adr: true, best_gateway_id: "0016c001f153a14c", time_source: "event" },
      ),
    ],
  ),
  uplink_rx: table(
    {
      tag: `${deviceTags} gateway_id`,
      integer: "rssi f_cnt frequency",
      float: "snr latitude longitude altitude",
    },
    [
      row(
        { time: "2026-03-10T11:49:00", ...well },
        { gateway_id: "0016c001f153a14c", rssi: -88, snr: 1.5, f_cnt: 44, frequency: 868_300_000 },
        { latitude: 1, longitude: 2, altitude: 3 },
      ),
    ],
  ),
  telemetry_well: table({ tag: deviceTags, string: "device_name", integer: "f_cnt f_port", float: "level" }, [
    { time: "2026-03-10T11:49:00", ...well, device_name: "well", f_cnt: 44, f_port: 3, level: 1.75 },
  ]),
  device: table(
    {
      tag: deviceTags,
      string: "device_name application_name profile_name profile_id last_event",
      integer: "first_seen_ms last_seen_ms last_uplink_ms f_cnt gateways_known",
    },
    [
      row(
        { time: "2026-03-10T11:49:00", ...well, ...wellNames },
        {
          profile_id: "d3000000-0000-4000-8000-000000000501",
          last_event: "up",
          f_cnt: 44,
          gateways_known: 1,
        },
        { first_seen_ms: wellUpMs, last_seen_ms: wellUpMs, last_uplink_ms: wellUpMs },
      ),
    ],
  ),
  gateway_event: table(
    { tag: "gateway_id site event relay_id", boolean: "online", integer: "mesh_hops", string: "time_source" },
    [
      { time: received, ...remote, event: "conn", online: true },
      row(
        { time: "2026-03-10T11:49:30", ...remote },
        { event: "mesh", relay_id: "0a0b0c0d", mesh_hops: 1, time_source: "event" },
      ),
    ],
  ),
};

export const expectedSite2Stats: Tables = {
  gateway_stats: table(
    {
      tag: "gateway_id site",
      integer: "rx_received rx_received_ok tx_received tx_emitted tx_failed stats_count tx_ok",
    },
    [
      row(
        { time: "2026-03-10T12:00:00", ...remote },
        { rx_received: 1, rx_received_ok: 1, tx_received: 1, tx_emitted: 1, tx_failed: 0, stats_count: 1 },
        { tx_ok: 1 },
      ),
    ],
  ),
};
