/**
 * An uplink's radio side. What it does not say is absent, never 0 or "".
 *
 * - `uplink`: one row. Integers: f_cnt, f_port, dr, gateway_count, rssi (the highest, dBm),
 *   spreading_factor, frequency and bandwidth (Hz), bitrate (FSK, bit/s), payload_bytes. Floats: snr
 *   (the highest, dB), margin (dB), airtime_ms, ns_delay_ms (gateway to network server, of the best
 *   reception). Booleans: adr, confirmed. Strings: deduplication_id, code_rate, dev_addr, region_config_id,
 *   best_gateway_id, device_name, application_name, profile_name, tenant_name, time_source. Where a relay
 *   passed it on: relay_dev_eui, relay_rssi (integer, dBm), relay_snr (dB), as the relay heard the device.
 * - `uplink_rx`: one row per gateway, its best antenna, with tag `gateway_id`: rssi, snr, margin, channel,
 *   f_cnt, spreading_factor, frequency, ns_delay_ms, latitude, longitude, altitude, and crc_ok where false.
 */
import type { Uplink } from "../chirpstack/event.ts";
import { Columns } from "./columns.ts";
import type { Point, Tag } from "./point.ts";
import { airtimeMs, marginDb, positive } from "./radio.ts";
import { backhaulDelayMs, bestPerGateway, bestReception, highest } from "./receptions.ts";
import type { RowTime } from "./row-time.ts";
import type { TagLayout } from "./tags.ts";

export function uplinkRow(uplink: Uplink, time: RowTime, tags: readonly Tag[], layout: TagLayout): Point {
  const { receptions, modulation, device, data } = uplink;
  const columns = new Columns(layout.reserved);
  const best = bestReception(receptions);
  const snrDb = best?.snrDb;
  const gateways = new Set(receptions.map((reception) => reception.gatewayId));
  gateways.delete("");

  columns.text("deduplication_id", uplink.deduplicationId);
  columns.integer("f_cnt", uplink.fCnt);
  columns.integer("f_port", uplink.fPort);
  columns.integer("dr", uplink.dr);
  // Some gateway heard it: none at all means that the message names none.
  columns.integer("gateway_count", positive(gateways.size));
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
  if (data !== undefined) {
    columns.float("airtime_ms", airtimeMs(modulation, data.length, uplink.fPort));
    columns.integer("payload_bytes", data.length);
  }
  columns.flag("adr", uplink.adr);
  columns.flag("confirmed", uplink.confirmed);
  columns.text("dev_addr", uplink.devAddr);
  columns.text("region_config_id", uplink.regionConfigId);
  columns.text("best_gateway_id", best?.gatewayId ?? "");
  columns.float("ns_delay_ms", backhaulDelayMs(best));
  columns.relay(uplink.relay);
  columns.names(device);
  columns.text("time_source", time.timeSource);
  return { table: "uplink", tags, fields: columns.fields, timeNs: time.timeNs };
}

export function receptionRows(
  uplink: Uplink,
  time: RowTime,
  tags: readonly Tag[],
  layout: TagLayout,
): Point[] {
  const { modulation } = uplink;
  const rows: Point[] = [];
  for (const reception of bestPerGateway(uplink.receptions)) {
    const columns = new Columns(layout.reserved);
    columns.integer("rssi", reception.rssiDbm);
    columns.float("snr", reception.snrDb);
    columns.float("margin", marginDb(modulation, reception.snrDb));
    columns.integer("channel", reception.channel);
    columns.integer("f_cnt", uplink.fCnt);
    if (modulation?.kind === "lora")
      columns.integer("spreading_factor", positive(modulation.spreadingFactor));
    columns.integer("frequency", positive(uplink.frequencyHz));
    columns.float("ns_delay_ms", backhaulDelayMs(reception));
    columns.float("latitude", reception.location?.latitude);
    columns.float("longitude", reception.location?.longitude);
    columns.float("altitude", reception.location?.altitude);
    // Nearly every frame that gets this far has a good checksum: the column is for those without.
    columns.flag("crc_ok", reception.crcOk === false ? false : undefined);
    const rowTags = [...tags, { name: "gateway_id", value: reception.gatewayId }];
    rows.push({ table: "uplink_rx", tags: rowTags, fields: columns.fields, timeNs: time.timeNs });
  }
  return rows;
}
