/**
 * An uplink as rows, the same for every road they take (database, local windows). One uplink gives:
 *
 * - `uplink`: one row. Integers: f_cnt, f_port, dr, gateway_count, rssi (the highest, dBm),
 *   spreading_factor, frequency and bandwidth (Hz), bitrate (FSK, bit/s), payload_size (bytes). Floats: snr
 *   (the highest, dB), margin (dB), airtime_ms, ns_delay_ms (gateway to network server, of the best
 *   reception). Booleans: adr, confirmed. Strings: deduplication_id, code_rate, dev_addr, region_config_id,
 *   best_gateway_id, device_name, application_name, profile_name, tenant_name, time_source.
 * - `uplink_rx`: one row per gateway, its best antenna, with tag `gateway_id`: rssi, snr, margin, channel,
 *   f_cnt, spreading_factor, frequency, ns_delay_ms, latitude, longitude, altitude, and crc_ok where false.
 * - `telemetry_<profile>`: one row when the codec's object has a usable leaf: device_name, f_cnt, f_port,
 *   the flattened object, and fields_left_out (how many found no room) where it is not 0.
 *
 * Names are fields and not tags: a rename must not split a series. What an uplink does not say is absent,
 * never 0 or "". Deterministic: the same uplink, time and settings give the same rows.
 */
import type { Uplink } from "../chirpstack/event.ts";
import { Columns } from "./columns.ts";
import { flatten } from "./flatten.ts";
import type { Point, Tag } from "./point.ts";
import { airtimeMs, marginDb } from "./radio.ts";
import { backhaulDelayMs, bestPerGateway, bestReception, highest } from "./receptions.ts";
import { deviceTags, tagLayout } from "./tags.ts";
import type { TagLayout, TagSettings } from "./tags.ts";
import { telemetryTable } from "./table.ts";

/** Tags, fields and time. InfluxDB 3 Core allows 500 in a table; different uplinks of a profile differ. */
const maxColumns = 200;

export interface RowTime {
  readonly timeNs: bigint;
  /** Where it came from: a column of `uplink`. */
  readonly timeSource: string;
}

export function points(uplink: Uplink, time: RowTime, settings: TagSettings): Point[] {
  const layout = tagLayout(settings);
  const tags = deviceTags(uplink.device, layout);
  const rows: Point[] = [uplinkRow(uplink, time, tags, layout)];
  addReceptionRows(rows, uplink, time, tags, layout);
  const telemetry = telemetryRow(uplink, time, tags, layout);
  if (telemetry !== undefined) rows.push(telemetry);
  return rows;
}

function uplinkRow(uplink: Uplink, time: RowTime, tags: readonly Tag[], layout: TagLayout): Point {
  const { receptions, modulation, device } = uplink;
  const columns = new Columns(layout.reserved);
  const best = bestReception(receptions);
  const snrDb = highest(receptions.map((reception) => reception.snrDb));
  const gateways = new Set(receptions.map((reception) => reception.gatewayId));
  gateways.delete("");

  columns.text("deduplication_id", uplink.deduplicationId);
  columns.integer("f_cnt", known(uplink, "fCnt", uplink.fCnt));
  columns.integer("f_port", known(uplink, "fPort", uplink.fPort));
  columns.integer("dr", known(uplink, "dr", uplink.dr));
  columns.integer("gateway_count", gateways.size);
  columns.integer("rssi", highest(receptions.map((reception) => reception.rssiDbm)));
  columns.float("snr", snrDb);
  columns.float("margin", marginDb(modulation, snrDb));
  columns.integer("frequency", positive(uplink.frequencyHz));
  if (modulation?.kind === "lora") {
    columns.integer("spreading_factor", positive(modulation.spreadingFactor));
    columns.integer("bandwidth", positive(modulation.bandwidthHz));
  }
  if (modulation?.kind === "fsk") columns.integer("bitrate", positive(modulation.bitrateBps));
  else if (modulation !== undefined) columns.text("code_rate", modulation.codeRate);
  columns.float("airtime_ms", airtimeMs(modulation, uplink.data.length));
  columns.integer("payload_size", known(uplink, "data", uplink.data.length));
  columns.flag("adr", known(uplink, "adr", uplink.adr));
  columns.flag("confirmed", known(uplink, "confirmed", uplink.confirmed));
  columns.text("dev_addr", uplink.devAddr);
  columns.text("region_config_id", uplink.regionConfigId);
  columns.text("best_gateway_id", best?.gatewayId ?? "");
  columns.float("ns_delay_ms", backhaulDelayMs(best));
  columns.text("device_name", device.deviceName);
  columns.text("application_name", device.applicationName);
  columns.text("profile_name", device.profileName);
  columns.text("tenant_name", device.tenantName);
  columns.text("time_source", time.timeSource);
  return { table: "uplink", tags, fields: columns.fields, timeNs: time.timeNs };
}

function addReceptionRows(
  rows: Point[],
  uplink: Uplink,
  time: RowTime,
  tags: readonly Tag[],
  layout: TagLayout,
): void {
  const { modulation } = uplink;
  for (const reception of bestPerGateway(uplink.receptions)) {
    const columns = new Columns(layout.reserved);
    columns.integer("rssi", reception.rssiDbm);
    columns.float("snr", reception.snrDb);
    columns.float("margin", marginDb(modulation, reception.snrDb));
    columns.integer("channel", reception.channel);
    columns.integer("f_cnt", known(uplink, "fCnt", uplink.fCnt));
    if (modulation?.kind === "lora")
      columns.integer("spreading_factor", positive(modulation.spreadingFactor));
    columns.integer("frequency", positive(uplink.frequencyHz));
    columns.float("ns_delay_ms", backhaulDelayMs(reception));
    columns.float("latitude", reception.location?.latitude);
    columns.float("longitude", reception.location?.longitude);
    columns.float("altitude", reception.location?.altitude);
    // Nearly every frame that gets this far has a good checksum: the column is for those without.
    columns.flag("crc_ok", reception.crcOk ? undefined : false);
    const rowTags = [...tags, { name: "gateway_id", value: reception.gatewayId }];
    rows.push({ table: "uplink_rx", tags: rowTags, fields: columns.fields, timeNs: time.timeNs });
  }
}

function telemetryRow(
  uplink: Uplink,
  time: RowTime,
  tags: readonly Tag[],
  layout: TagLayout,
): Point | undefined {
  if (uplink.object === undefined) return undefined;
  const ours = ["device_name", "f_cnt", "f_port", "fields_left_out"];
  const reserved = [...layout.reserved, ...ours];
  const { fields, leftOut } = flatten(uplink.object, reserved, Math.max(maxColumns - reserved.length, 0));
  if (fields.length === 0) return undefined;
  const columns = new Columns(layout.reserved);
  columns.text("device_name", uplink.device.deviceName);
  columns.integer("f_cnt", known(uplink, "fCnt", uplink.fCnt));
  columns.integer("f_port", known(uplink, "fPort", uplink.fPort));
  columns.integer("fields_left_out", positive(leftOut.length));
  columns.fields.push(...fields);
  const table = telemetryTable(uplink.device.profileName);
  return { table, tags, fields: columns.fields, timeNs: time.timeNs };
}

/** A part of the event that did not fit has its zero in `Uplink`, which nobody measured. */
function known<T>(uplink: Uplink, part: string, value: T): T | undefined {
  return uplink.dropped.length > 0 && uplink.dropped.includes(part) ? undefined : value;
}

/** Frequencies and the like are never 0: it stands for "not said". */
function positive(value: number): number | undefined {
  return value > 0 ? value : undefined;
}
