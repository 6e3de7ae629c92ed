/**
 * What gateways say on topics of their own, from either encoding: v4's forwarders, and Gateway Bridge 3 with
 * the gateway's id as bytes. Each is `undefined` without a gateway's id.
 */
import type { Duration } from "@bufbuild/protobuf/wkt";
import { ConnState_State as State } from "../proto/gw/gw_pb.js";
import type {
  ConnState,
  DutyCycleBand as WireBand,
  GatewayStats as WireStats,
  MeshEvent,
  MeshEventHeartbeatRelayPath as WireHop,
  MeshEventItem,
} from "../proto/gw/gw_pb.js";
import type { DroppedParts } from "./dropped.ts";
import type {
  DutyCycleBand,
  GatewayConn,
  GatewayStats,
  MeshHeartbeat,
  RelayHop,
  UnmappedEvent,
} from "./event.ts";
import { firstItems, toEui, toEuiFromBytes, toLocation, toNs } from "./fields.ts";

/** EU868 has the most sub-bands, and they are fewer than ten. */
const maxBands = 64;
/** More than a relay says at one time. */
const maxMeshEvents = 64;
/** A mesh allows 8 hops. */
const maxHops = 64;
/** Metadata is whatever an operator's commands print. */
const maxEntries = 64;
const maxKeyLength = 64;
const maxValueLength = 256;

export function toGatewayStats(stats: WireStats, dropped: DroppedParts): GatewayStats | undefined {
  const gatewayId = toGatewayId(stats);
  if (gatewayId === undefined) return undefined;
  const timeNs = toNs(stats.time, "time", dropped);
  const bands = stats.dutyCycleStats?.bands ?? [];
  return {
    kind: "gateway/stats",
    gatewayId,
    timeNs,
    isIdentified: timeNs !== undefined,
    location: toLocation(stats.location, "location", dropped),
    rxReceived: dropped.kept(stats, "rxPacketsReceived"),
    rxReceivedOk: dropped.kept(stats, "rxPacketsReceivedOk"),
    txReceived: dropped.kept(stats, "txPacketsReceived"),
    txEmitted: dropped.kept(stats, "txPacketsEmitted"),
    txByStatus: toMap(stats.txPacketsPerStatus, "txPacketsPerStatus", dropped),
    dutyCycle: toBands(bands, "dutyCycleStats.bands", dropped),
    metadata: cutValues(toMap(stats.metadata, "metadata", dropped), dropped),
    dropped: dropped.paths(),
  };
}

/**
 * Its retained message comes again with each subscription, so it is never taken for a second event. A state that
 * nobody knows is no state: an alarm that the gateway is gone would be a false one.
 */
export function toGatewayConn(
  conn: ConnState,
  dropped: DroppedParts,
): GatewayConn | UnmappedEvent | undefined {
  const gatewayId = toGatewayId(conn);
  if (gatewayId === undefined) return undefined;
  // OFFLINE is 0, which both encodings leave out.
  const state = dropped.kept(conn, "state");
  if (state !== State.ONLINE && state !== State.OFFLINE) return { kind: "unmapped", name: "gateway/conn" };
  return {
    kind: "gateway/conn",
    gatewayId,
    timeNs: undefined,
    isIdentified: false,
    online: state === State.ONLINE,
    dropped: dropped.paths(),
  };
}

/**
 * What a maker's own relay software sends has no table. Heartbeats of one relay and time would be one point: the
 * first counts, the others are listed.
 */
export function toMesh(event: MeshEvent, dropped: DroppedParts): MeshHeartbeat | UnmappedEvent | undefined {
  const gatewayId = toEui(event.gatewayId);
  if (gatewayId === undefined) return undefined;
  const events = firstItems(event.events, maxMeshEvents, "events", dropped);
  const index = events.findIndex(isHeartbeat);
  const heartbeat = events[index]?.event;
  if (heartbeat?.case !== "heartbeat") return { kind: "unmapped", name: "gateway/mesh" };
  for (const [other, item] of events.entries()) {
    if (other > index && isHeartbeat(item)) dropped.add(`events[${other}]`);
  }
  const timeNs = toNs(event.time, "time", dropped);
  return {
    kind: "gateway/mesh",
    gatewayId,
    timeNs,
    isIdentified: timeNs !== undefined,
    relayId: event.relayId.toLowerCase(),
    path: toHops(heartbeat.value.relayPath, `events[${index}].heartbeat.relayPath`, dropped),
    dropped: dropped.paths(),
  };
}

function isHeartbeat(item: MeshEventItem): boolean {
  return item.event.case === "heartbeat";
}

function toGatewayId(message: WireStats | ConnState): string | undefined {
  return toEui(message.gatewayId) ?? toEuiFromBytes(message.gatewayIdLegacy);
}

/** A band of which a figure did not fit is left out: the zero in its place would be wrong. */
function toBands(bands: readonly WireBand[], path: string, dropped: DroppedParts): DutyCycleBand[] {
  const isWhole = (band: WireBand): boolean => !wireBandFields.some((field) => dropped.hasField(band, field));
  return firstItems(bands, maxBands, path, dropped)
    .filter(isWhole)
    .map((band) => ({
      name: band.name,
      frequencyMinHz: band.frequencyMin,
      frequencyMaxHz: band.frequencyMax,
      loadMaxMs: toMs(band.loadMax),
      loadTrackedMs: toMs(band.loadTracked),
    }));
}

const wireBandFields = ["name", "frequencyMin", "frequencyMax", "loadMax", "loadTracked"];

function toMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
}

function toHops(path: readonly WireHop[], name: string, dropped: DroppedParts): RelayHop[] {
  return firstItems(path, maxHops, name, dropped)
    .filter((hop) => !dropped.hasField(hop, "rssi") && !dropped.hasField(hop, "snr"))
    .map((hop) => ({ relayId: hop.relayId.toLowerCase(), rssiDbm: hop.rssi, snrDb: hop.snr }));
}

/** In the order of their keys: Rust's maps have another one each time, and a cut has to be the same one. */
function toMap<Value>(
  record: Readonly<Record<string, Value>>,
  path: string,
  dropped: DroppedParts,
): Map<string, Value> {
  const map = new Map<string, Value>();
  for (const [key, value] of sortedEntries(record)) {
    if (map.size < maxEntries && key.length <= maxKeyLength) map.set(key, value);
    else dropped.addNamed(path, () => `${path}.${key.slice(0, maxKeyLength)}`);
  }
  return map;
}

function sortedEntries<Value>(record: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function cutValues(map: Map<string, string>, dropped: DroppedParts): Map<string, string> {
  for (const [key, value] of map) {
    if (value.length <= maxValueLength) continue;
    // A character of two code units is not cut through.
    map.set(key, value.slice(0, maxValueLength).replace(/[\ud800-\udbff]$/, ""));
    dropped.addNamed("metadata", () => `metadata.${key}`);
  }
  return map;
}
