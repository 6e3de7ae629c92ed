/** Events of one device and one gateway, as the decoder gives them, and small helpers. */
import assert from "node:assert/strict";
import type {
  DeviceEvent,
  DeviceInfo,
  GatewayStats,
  Join,
  LogMessage,
  Reception,
  Status,
  Uplink,
} from "../../../src/chirpstack/event.ts";
import { type DeviceObservation, observeDevice } from "../../../src/registry/device-record.ts";
import type { GatewaySeen } from "../../../src/registry/gateway-record.ts";
import type { DeviceRecord } from "../../../src/registry/records.ts";
import type { Seen } from "../../../src/registry/seen.ts";
import type { Point } from "../../../src/telemetry/point.ts";

/** 2026-03-02T00:00:00Z: the start of a day and of five minutes. */
export const midnightMs = 1_772_409_600_000;
export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

export const gatewayId = "0016c001f153a14c";

export const device: DeviceInfo = {
  tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
  tenantName: "Hof Sonnental",
  applicationId: "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002",
  applicationName: "barns",
  profileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
  profileName: "EM300-TH",
  deviceName: "barn 7 north",
  devEui: "24e124538b223213",
  tags: new Map([
    ["building", "barn-7"],
    ["floor", "1"],
  ]),
};

export const toNs = (ms: number): bigint => BigInt(ms) * 1_000_000n;

const message = (atMs: number): { timeNs: bigint; isIdentified: boolean; dropped: readonly string[] } => ({
  timeNs: toNs(atMs),
  isIdentified: true,
  dropped: [],
});

export function uplink(atMs: number, fCnt: number, changes: Partial<Uplink> = {}): Uplink {
  return {
    ...message(atMs),
    kind: "up",
    device,
    deduplicationId: `${atMs}-${fCnt}`,
    devAddr: "01a44c4c",
    adr: true,
    confirmed: false,
    dr: 5,
    fCnt,
    fPort: 85,
    data: new Uint8Array(),
    object: undefined,
    receptions: [reception(gatewayId)],
    frequencyHz: 867_300_000,
    modulation: undefined,
    relay: undefined,
    regionConfigId: "eu868",
    ...changes,
  };
}

export function reception(id: string): Reception {
  return {
    gatewayId: id,
    rssiDbm: -100,
    snrDb: 5,
    channel: 0,

    gwTimeNs: undefined,
    nsTimeNs: undefined,
    hasGpsTime: false,
    location: undefined,
    crcOk: true,
  };
}

export function join(atMs: number, devAddr: string): Join {
  return {
    ...message(atMs),
    kind: "join",
    device,
    deduplicationId: `join-${atMs}`,
    devAddr,
    relay: undefined,
    regionConfigId: "eu868",
  };
}

export function status(atMs: number, changes: Partial<Status> = {}): Status {
  return {
    ...message(atMs),
    kind: "status",
    device,
    deduplicationId: `status-${atMs}`,
    marginDb: 9,
    externalPower: false,
    batteryUnavailable: false,
    batteryPercent: 88.3,
    ...changes,
  };
}

export function log(atMs: number): LogMessage {
  return {
    ...message(atMs),
    kind: "log",
    device,
    deduplicationId: "",
    level: "ERROR",
    code: "UPLINK_F_CNT_RESET",
    description: "",
    context: new Map(),
    fCnt: undefined,
  };
}

export function stats(atMs: number, changes: Partial<GatewayStats> = {}): GatewayStats {
  return {
    ...message(atMs),
    kind: "gateway/stats",
    gatewayId,
    location: undefined,
    rxReceived: 3,
    rxReceivedOk: 2,
    txReceived: 1,
    txEmitted: 1,
    txByStatus: new Map([["OK", 1]]),
    dutyCycle: [],
    metadata: new Map(),
    ...changes,
  };
}

/** Received as it happened, unless said otherwise. */
export function seenAt(timeMs: number, changes: Partial<Seen> = {}): Seen {
  return { timeMs, receivedMs: timeMs, isRetained: false, ...changes };
}

/** Received as it happened from the only source, and never before, unless said otherwise. */
export function gatewaySeenAt(timeMs: number, changes: Partial<GatewaySeen> = {}): GatewaySeen {
  return {
    ...seenAt(timeMs),
    isOwnTime: true,
    isDuplicate: false,
    source: "local",
    topic: "eu868/gateway/0016c001f1500001/state/conn",
    receivedNs: toNs(changes.receivedMs ?? timeMs),
    logTimeMs: changes.receivedMs ?? timeMs,
    ...changes,
  };
}

/** Where the tags `building` and `floor` are those of rows. */
export function observe(
  record: DeviceRecord | undefined,
  event: DeviceEvent,
  seen: Seen,
  tagKeys: readonly string[] = ["building", "floor"],
): DeviceObservation {
  return observeDevice(record, event, seen, tagKeys);
}

export function timeMsOf(event: { readonly timeNs: bigint | undefined }): number {
  assert.ok(event.timeNs !== undefined);
  return Number(event.timeNs / 1_000_000n);
}

/** All of them, received after the last of them happened, in the order given. */
export function learn(events: readonly DeviceEvent[], from?: DeviceRecord): DeviceRecord {
  const receivedMs = Math.max(...events.map(timeMsOf));
  let record = from;
  for (const event of events) {
    record = observe(record, event, seenAt(timeMsOf(event), { receivedMs })).record;
  }
  assert.ok(record !== undefined);
  return record;
}

/** The same numbers for the same seed (mulberry32), from 0 to below 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function fieldsOf(point: Point): Record<string, unknown> {
  return Object.fromEntries(point.fields.map(({ name, value }) => [name, value]));
}

export function typesOf(point: Point): Record<string, string> {
  return Object.fromEntries(point.fields.map(({ name, type }) => [name, type]));
}
