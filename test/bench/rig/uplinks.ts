/**
 * The stream that the benchmarks publish: uplinks as ChirpStack v4 publishes them in JSON, 8 to 20 payload
 * keys, heard by two or three gateways, from 48 devices in turns. Each is a whole PUBLISH packet, made once
 * per device; for each message only digits are overwritten, so that publishing costs next to nothing.
 *
 * No two are alike: deduplication id, fCnt and the nanosecond of `time` follow the message's number.
 */
import mqttPacket from "mqtt-packet";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { climateUplink } from "../../unit/chirpstack/samples.ts";

const deviceCount = 48;
export const topicFilter = "application/+/device/+/event/up";

interface Template {
  readonly packet: Buffer;
  readonly payloadBytes: number;
  readonly packetIdAt: number;
  readonly deduplicationAt: number;
  readonly frameCounterAt: number;
  readonly nanosecondsAt: number;
}

const deduplicationDigits = 12;
const frameCounterDigits = 7;
const nanosecondDigits = 9;

export class UplinkStream {
  readonly #templates: readonly Template[];

  /** `nowMs`: the second in which all of them are said to have been received. */
  constructor(nowMs: number) {
    this.#templates = Array.from({ length: deviceCount }, (_, device) => template(device, nowMs));
  }

  /** Bytes of a payload, on average over the devices. */
  get meanPayloadBytes(): number {
    const bytes = this.#templates.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
    return bytes / this.#templates.length;
  }

  /** PUBLISH packets, QoS 1, of the messages first … first + count − 1; packet ids follow the number too. */
  packets(first: number, count: number): Buffer[] {
    return Array.from({ length: count }, (_, index) => this.#packet(first + index));
  }

  #packet(number: number): Buffer {
    const template = this.#templates[number % deviceCount];
    if (template === undefined) throw new Error("there is a template for each device");
    const packet = Buffer.from(template.packet);
    packet.writeUInt16BE((number % 65_535) + 1, template.packetIdAt);
    writeDigits(packet, template.deduplicationAt, deduplicationDigits, number);
    writeDigits(packet, template.frameCounterAt, frameCounterDigits, 1_000_000 + (number % 9_000_000));
    writeDigits(packet, template.nanosecondsAt, nanosecondDigits, number);
    return packet;
  }
}

function writeDigits(target: Buffer, offset: number, digits: number, value: number): void {
  target.write(String(value).padStart(digits, "0"), offset, "latin1");
}

function template(device: number, nowMs: number): Template {
  const devEui = `24e12453${device.toString(16).padStart(8, "0")}`;
  const event = uplink(device, devEui, nowMs);
  const payload = Buffer.from(JSON.stringify(event));
  const packet = mqttPacket.generate({
    cmd: "publish",
    topic: `application/${applicationId}/device/${devEui}/event/up`,
    payload,
    qos: 1,
    dup: false,
    retain: false,
    messageId: 1,
  });
  const payloadAt = packet.length - payload.length;
  const after = (text: string): number => payloadAt + indexAfter(payload, text);
  return {
    packet,
    payloadBytes: payload.length,
    packetIdAt: payloadAt - 2,
    deduplicationAt: after(`"deduplicationId":"${deduplicationPrefix}`),
    frameCounterAt: after('"fCnt":'),
    nanosecondsAt: after(`"time":"${second(nowMs)}.`),
  };
}

function indexAfter(payload: Buffer, text: string): number {
  const index = payload.indexOf(text);
  if (index === -1) throw new Error(`an uplink without ${text}`);
  return index + Buffer.byteLength(text);
}

const applicationId = "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002";
const deduplicationPrefix = "3ac7e3c4-4401-4b8d-9386-";

/** As ChirpStack writes it, without fraction and zone. */
function second(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 19);
}

function uplink(device: number, devEui: string, nowMs: number): JsonObject {
  const base = climateUplink();
  const receptions = base["rxInfo"] as JsonObject[];
  return {
    ...base,
    deduplicationId: `${deduplicationPrefix}${"0".repeat(deduplicationDigits)}`,
    time: `${second(nowMs)}.${"0".repeat(nanosecondDigits)}+00:00`,
    deviceInfo: { ...(base["deviceInfo"] as JsonObject), devEui, deviceName: `sensor ${device}` },
    fCnt: 10 ** (frameCounterDigits - 1),
    object: payloadObject(device),
    rxInfo: receptions.slice(0, 2 + (device % 2)),
  };
}

/** 8 to 20 keys: a text, a flag, a nested value, and numbers with one digit behind the point. */
function payloadObject(device: number): JsonObject {
  const object: JsonObject = { state: "ok", open: device % 2 === 0, status: { battery: 92 } };
  const numbers = 5 + (device % 13);
  for (let index = 0; index < numbers; index += 1) {
    object[`channel_${index}`] = Math.round((device + 1) * (index + 3) * 13.7) / 10;
  }
  return object;
}
