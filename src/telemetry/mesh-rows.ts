/**
 * Heartbeats of the relays of a gateway mesh, in the table `gateway_event` beside the connection states:
 * tags gateway_id (the border gateway), the static tags, event = "mesh", relay_id. The relay is a tag because
 * relays stamp their heartbeats in whole seconds: two behind one gateway would often be one point.
 *
 * - mesh_hops (integer): radio hops from the relay to the border gateway, 1 when it heard the relay itself.
 * - relay_path: the relays that passed the heartbeat on, in order, "0102aabb>0102ccdd"; absent without any.
 * - rssi (integer, dBm), snr (float, dB): of the worst of the hops to those relays, the link that fails
 *   first. How the border gateway heard the last of them is not in the event.
 * - time_source.
 *
 * A hop that did not fit is missing from the event's path: mesh_hops and relay_path are not told then.
 */
import type { MeshHeartbeat, RelayHop } from "../chirpstack/event.ts";
import { Columns } from "./columns.ts";
import type { Point } from "./point.ts";
import type { RowTime } from "./row-time.ts";
import { gatewayTags } from "./tags.ts";
import type { TagLayout } from "./tags.ts";

export function meshRow(heartbeat: MeshHeartbeat, time: RowTime, layout: TagLayout): Point {
  const tags = gatewayTags(heartbeat.gatewayId, layout);
  tags.push({ name: "event", value: "mesh" });
  if (heartbeat.relayId !== "") tags.push({ name: "relay_id", value: heartbeat.relayId });

  const columns = new Columns(layout.reserved);
  const worst = worstHop(heartbeat.path);
  if (!heartbeat.dropped.some((part) => part.includes("relayPath"))) {
    columns.integer("mesh_hops", heartbeat.path.length + 1);
    columns.text("relay_path", heartbeat.path.map((hop) => hop.relayId).join(">"));
  }
  columns.integer("rssi", worst?.rssiDbm);
  columns.float("snr", worst?.snrDb);
  columns.text("time_source", time.timeSource);
  return { table: "gateway_event", tags, fields: columns.fields, timeNs: time.timeNs };
}

/** By snr, then by rssi. */
function worstHop(path: readonly RelayHop[]): RelayHop | undefined {
  let worst: RelayHop | undefined;
  for (const hop of path) {
    if (
      worst === undefined ||
      hop.snrDb < worst.snrDb ||
      (hop.snrDb === worst.snrDb && hop.rssiDbm < worst.rssiDbm)
    ) {
      worst = hop;
    }
  }
  return worst;
}
