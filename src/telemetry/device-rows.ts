/**
 * What devices and the network server say beside uplinks. Every row has device_name, application_name,
 * profile_name, tenant_name, deduplication_id and time_source; what an event does not say is absent.
 *
 * `device_event`: one row, with the tag `event`:
 * - join: dev_addr, region_config_id, relay_dev_eui, relay_rssi (integer, dBm), relay_snr (dB).
 * - ack: acknowledged (boolean), f_cnt_down (integer), queue_item_id.
 * - txack: f_cnt_down, downlink_id (integer), queue_item_id, tx_gateway_id, frequency (integer, Hz), tx_power
 *   (integer, dBm), spreading_factor (integer).
 * - log: log_level, log_code, log_text, f_cnt (integer). Its deduplication_id is that of the uplink that it is about.
 * - location: latitude, longitude (degrees), altitude (m), location_accuracy (m), location_source.
 * - integration: integration_name, event_type. Not its object, which can be anything: a table that all
 *   devices share would get its columns.
 *
 * Names that people give to tags (`level`, `power`, `code`) are left to them.
 *
 * `device_status`: one row: downlink_snr (integer, dB, of the last DevStatusReq as the device heard it: the
 * Margin of DevStatusAns, which unlike `uplink.margin` is not relative to a limit), external_power and battery_level_unavailable (booleans), and
 * battery_level (float, %), which is absent with either flag: the 0 on the wire is no empty battery.
 */
import type {
  Ack,
  DeviceEvent,
  DeviceLocation,
  IntegrationMessage,
  Join,
  LogMessage,
  Status,
  TxAck,
} from "../chirpstack/event.ts";
import { Columns } from "./columns.ts";
import type { Point, Tag } from "./point.ts";
import { positive } from "./radio.ts";
import type { RowTime } from "./row-time.ts";
import type { TagLayout } from "./tags.ts";

/** The kinds of event that `device_event` is for. */
type TableEvent = Join | Ack | TxAck | LogMessage | DeviceLocation | IntegrationMessage;

export function deviceEventRow(
  event: TableEvent,
  time: RowTime,
  tags: readonly Tag[],
  layout: TagLayout,
): Point {
  const columns = new Columns(layout.reserved);
  addFields(columns, event);
  addCommon(columns, event, time);
  const rowTags = [...tags, { name: "event", value: event.kind }];
  return { table: "device_event", tags: rowTags, fields: columns.fields, timeNs: time.timeNs };
}

export function deviceStatusRow(
  status: Status,
  time: RowTime,
  tags: readonly Tag[],
  layout: TagLayout,
): Point {
  const columns = new Columns(layout.reserved);
  columns.integer("downlink_snr", status.marginDb);
  columns.float("battery_level", status.batteryPercent);
  columns.flag("external_power", status.externalPower);
  columns.flag("battery_level_unavailable", status.batteryUnavailable);
  addCommon(columns, status, time);
  return { table: "device_status", tags, fields: columns.fields, timeNs: time.timeNs };
}

function addFields(columns: Columns, event: TableEvent): void {
  switch (event.kind) {
    case "join":
      columns.text("dev_addr", event.devAddr);
      columns.text("region_config_id", event.regionConfigId);
      columns.relay(event.relay);
      return;
    case "ack":
      columns.flag("acknowledged", event.acknowledged);
      columns.integer("f_cnt_down", event.fCntDown);
      columns.text("queue_item_id", event.queueItemId);
      return;
    case "txack":
      addTransmission(columns, event);
      return;
    case "log":
      columns.text("log_level", event.level);
      columns.text("log_code", event.code);
      columns.text("log_text", event.description);
      columns.integer("f_cnt", event.fCnt);
      return;
    case "location":
      columns.float("latitude", event.location?.latitude);
      columns.float("longitude", event.location?.longitude);
      columns.float("altitude", event.location?.altitude);
      columns.float("location_accuracy", event.accuracyM);
      columns.text("location_source", event.source);
      return;
    case "integration":
      columns.text("integration_name", event.integrationName);
      columns.text("event_type", event.eventType);
      return;
  }
}

function addTransmission(columns: Columns, event: TxAck): void {
  columns.integer("f_cnt_down", event.fCntDown);
  columns.text("queue_item_id", event.queueItemId);
  columns.integer("downlink_id", event.downlinkId);
  columns.text("tx_gateway_id", event.gatewayId);
  columns.integer("frequency", positive(event.frequencyHz));
  columns.integer("tx_power", event.powerDbm);
  if (event.modulation?.kind === "lora") {
    columns.integer("spreading_factor", positive(event.modulation.spreadingFactor));
  }
}

function addCommon(columns: Columns, event: DeviceEvent, time: RowTime): void {
  // ChirpStack puts the id of the uplink that failed into the context of its log event.
  const inContext = event.kind === "log" ? (event.context.get("deduplication_id") ?? "") : "";
  columns.text("deduplication_id", event.deduplicationId || inContext);
  columns.names(event.device);
  columns.text("time_source", time.timeSource);
}
