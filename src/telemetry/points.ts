/**
 * An event as rows, the same for every road they take (database, local windows). An uplink gives one row in
 * `uplink`, one per gateway in `uplink_rx`, and those of its payload in `telemetry_<profile>`; a status one in
 * `device_status`; every other event of a device one in `device_event`; a relay's heartbeat one in
 * `gateway_event`. Their columns are in the files named `…-rows.ts`.
 *
 * Deterministic: the same event, time and settings give the same rows.
 */
import type { DeviceEvent, MeshHeartbeat, Uplink } from "../chirpstack/event.ts";
import { deviceEventRow, deviceStatusRow } from "./device-rows.ts";
import { meshRow } from "./mesh-rows.ts";
import { payloadRows } from "./payload-rows.ts";
import type { LeftOut } from "./payload-rows.ts";
import type { Point } from "./point.ts";
import type { RowTime } from "./row-time.ts";
import type { TelemetrySettings } from "./settings.ts";
import { deviceTags, tagLayout } from "./tags.ts";
import { receptionRows, uplinkRow } from "./uplink-rows.ts";

export interface MappedRows {
  readonly points: readonly Point[];
  /** Columns of the payload that found no room. */
  readonly leftOut: LeftOut | undefined;
  /** Items of its histories that have no time that can be right. */
  readonly untimed: LeftOut | undefined;
}

const nothingLeftOut = { leftOut: undefined, untimed: undefined };

export function points(
  event: DeviceEvent | MeshHeartbeat,
  time: RowTime,
  settings: TelemetrySettings,
): MappedRows {
  const layout = tagLayout(settings);
  if (event.kind === "gateway/mesh") return { points: [meshRow(event, time, layout)], ...nothingLeftOut };
  if (event.kind === "up") return uplinkRows(event, time, settings);
  const tags = deviceTags(event.device, layout);
  const row =
    event.kind === "status"
      ? deviceStatusRow(event, time, tags, layout)
      : deviceEventRow(event, time, tags, layout);
  return { points: [row], ...nothingLeftOut };
}

function uplinkRows(uplink: Uplink, time: RowTime, settings: TelemetrySettings): MappedRows {
  const layout = tagLayout(settings);
  const tags = deviceTags(uplink.device, layout);
  const payload = payloadRows(uplink, time.timeNs, tags, layout, settings.profiles);
  return {
    points: [
      uplinkRow(uplink, time, tags, layout),
      ...receptionRows(uplink, time, tags, layout),
      ...payload.points,
    ],
    leftOut: payload.leftOut,
    untimed: payload.untimed,
  };
}
