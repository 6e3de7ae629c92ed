/**
 * Events of a small farm, and the messages that carry them: JSON of our own, so that tests of the projector
 * say nothing about dialects.
 */
import type { Event, GatewayConn, GatewayStats, Status, Uplink } from "../../../src/chirpstack/event.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { failed, ok, type Result } from "../../../src/lib/result.ts";
import {
  type OwnMessage,
  ownSource,
  ownTopic,
  packOwn,
  unpackOwn,
} from "../../../src/pipeline/own-message.ts";
import { noFacts } from "../../../src/pipeline/route.ts";

/** 2026-03-01T00:00:00Z, the start of five minutes. */
export const startMs = Date.UTC(2026, 2, 1);
export const minuteMs = 60_000;

export const settings = {
  tags: [{ name: "site", value: "barn" }],
  deviceTags: [{ key: "room", name: "room" }],
};

const nothing = { isIdentified: true, dropped: [] };
const gatewayIds = ["0016c001f1500001", "0016c001f1500002"];

export function devEui(n: number): string {
  return (0xa0000000 + n).toString(16).padStart(16, "0");
}

function device(n: number, changes: Partial<Uplink["device"]> = {}): Uplink["device"] {
  return {
    tenantId: "t-1",
    tenantName: "farm",
    applicationId: "a-1",
    applicationName: "barns",
    profileId: "p-1",
    profileName: "EM300-TH",
    deviceName: `sensor ${n}`,
    devEui: devEui(n),
    tags: new Map([["room", `r${n}`]]),
    ...changes,
  };
}

export function uplink(n: number, atMs: number, fCnt: number, changes: Partial<Uplink> = {}): Uplink {
  return {
    kind: "up",
    ...nothing,
    timeNs: BigInt(atMs) * 1_000_000n + 123n,
    device: device(n),
    deduplicationId: `${n}-${fCnt}`,
    devAddr: "01a44c4c",
    adr: true,
    confirmed: false,
    dr: 5,
    fCnt,
    fPort: 85,
    data: new Uint8Array(),
    object: undefined,
    receptions: gatewayIds.map((gatewayId) => ({
      gatewayId,
      rssiDbm: -90,
      snrDb: 5,
      channel: 0,

      gwTimeNs: undefined,
      nsTimeNs: undefined,
      hasGpsTime: false,
      location: { latitude: 48, longitude: 11, altitude: 500 },
      crcOk: true,
    })),
    frequencyHz: 868_100_000,
    modulation: undefined,
    relay: undefined,
    regionConfigId: "eu868",
    ...changes,
  };
}

export function renamed(up: Uplink, deviceName: string): Uplink {
  return { ...up, device: { ...up.device, deviceName } };
}

export function status(n: number, atMs: number, batteryPercent: number): Status {
  return {
    kind: "status",
    ...nothing,
    timeNs: BigInt(atMs) * 1_000_000n,
    device: device(n),
    deduplicationId: `${n}-${atMs}`,
    marginDb: 7,
    externalPower: false,
    batteryUnavailable: false,
    batteryPercent,
  };
}

export function stats(atMs: number, changes: Partial<GatewayStats> = {}): GatewayStats {
  return {
    kind: "gateway/stats",
    ...nothing,
    timeNs: BigInt(atMs) * 1_000_000n,
    gatewayId: gatewayIds[0] ?? "",
    location: undefined,
    rxReceived: 10,
    rxReceivedOk: 9,
    txReceived: 2,
    txEmitted: 1,
    txByStatus: new Map([
      ["OK", 1],
      ["TOO_LATE", 1],
    ]),
    dutyCycle: [],
    metadata: new Map([["model", "box"]]),
    ...changes,
  };
}

export function conn(online: boolean, gatewayId = gatewayIds[0] ?? ""): GatewayConn {
  return { kind: "gateway/conn", ...nothing, timeNs: undefined, gatewayId, online };
}

/** The event as it was received, half a second after `atMs`. */
export function received(
  event: Event | "junk",
  atMs: number,
  changes: Partial<IncomingMessage> = {},
): IncomingMessage {
  return {
    source: "mqtt",
    topic: event === "junk" ? "junk" : event.kind,
    payload: Buffer.from(JSON.stringify(event, toJson)),
    receivedMs: atMs + 500,
    uptimeMs: atMs + 500 - startMs + 1_000_000_000,
    clockTrusted: true,
    duplicate: false,
    retained: false,
    qos: 1,
    ...changes,
  };
}

/** A message of ours that holds no row: time passes with it. */
export function timeMark(atMs: number): IncomingMessage {
  const payload = packOwn({ points: [], facts: noFacts });
  return { ...received("junk", atMs), source: ownSource, topic: ownTopic, payload };
}

/** What a message of ours holds. */
export function ownMessage({ payload }: Pick<IncomingMessage, "payload">): OwnMessage {
  const unpacked = unpackOwn(payload);
  if (!unpacked.ok) throw unpacked.fault;
  return unpacked.value;
}

function toJson(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return { $ns: String(value) };
  return value instanceof Map ? { $map: [...value] } : value;
}

function fromJson(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$ns" in value) return BigInt(String(value.$ns));
  return "$map" in value ? new Map(value.$map as [string, unknown][]) : value;
}

export function eventOf({ topic, payload }: Pick<JournalMessage, "topic" | "payload">): Result<Event> {
  if (topic !== "junk") return ok(JSON.parse(Buffer.from(payload).toString(), fromJson) as Event);
  return failed(
    new Fault({ code: "event_not_json", layer: "device", disposition: "quarantine", message: "junk" }),
  );
}
