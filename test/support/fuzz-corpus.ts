/**
 * Honest messages of every event in every dialect, each with the rows that it becomes. The fuzzer mutates
 * them; and it sends each again and again under an id of its own, unharmed among the others, so that a test
 * can tell those rows from all the rest and count them.
 */
import * as v3 from "../unit/chirpstack/v3-samples.ts";
import { milesightDecoded, milesightUplink } from "../unit/chirpstack/milesight-samples.ts";
import { gatewayId, samples, toJsonBytes, toProtobufBytes } from "../unit/chirpstack/samples.ts";
import { retainedUplink } from "./dialects/v3-messages.ts";
import type { Message } from "./publisher.ts";

/** How many rows, by label: see `labelOf`. */
export type RowCounts = Readonly<Record<string, number>>;

interface Template {
  readonly topic: string;
  readonly payload: Buffer;
  readonly rows: RowCounts;
}

interface KnownMessage extends Message {
  readonly rows: RowCounts;
}

/** What `labelOf` looks at. */
interface Row {
  readonly table: string;
  readonly tags: readonly { readonly name: string; readonly value: string }[];
}

/** Ids of known messages begin so, and no other ids. */
const knownPrefix = "f1ee7000";

/** A table is several where a tag says which event its rows are of. */
export function labelOf({ table, tags }: Row): string {
  const event = tags.find(({ name }) => name === "event")?.value;
  return event === undefined ? table : `${table}/${event}`;
}

export function isKnown({ tags }: Row): boolean {
  return tags.some(
    ({ name, value }) => (name === "dev_eui" || name === "gateway_id") && value.startsWith(knownPrefix),
  );
}

/** One row of `device` for each device, because each known message is of another one. */
const device = { device: 1 };
/** By the names of v4's events, of both encodings; the uplink is heard by three gateways. */
const rowsOfV4: Readonly<Record<string, RowCounts>> = {
  "event/up": { ...device, uplink: 1, uplink_rx: 3, telemetry_em300_th: 1 },
  "event/join": { ...device, "device_event/join": 1 },
  "event/ack": { ...device, "device_event/ack": 1 },
  "event/txack": { ...device, "device_event/txack": 1 },
  "event/log": { ...device, "device_event/log": 1 },
  "event/status": { ...device, device_status: 1 },
  "event/location": { ...device, "device_event/location": 1 },
  "event/integration": { ...device, "device_event/integration": 1 },
  "event/stats": { gateway_stats: 1 },
  "state/conn": { "gateway_event/conn": 1 },
  "event/mesh": { "gateway_event/mesh": 1 },
};

function v4Templates(): Template[] {
  return samples().flatMap(({ topic, schema, json }) => {
    const rows = rowsOfV4[topic.split("/").slice(-2).join("/")];
    if (rows === undefined) throw new Error(`nobody has written down what becomes of ${topic}`);
    const payloads = [toJsonBytes(json), toProtobufBytes(json, schema)];
    return payloads.map((payload) => ({ topic, payload: Buffer.from(payload), rows }));
  });
}

/** The last levels of v3's topics, the samples, and their rows in all three encodings. */
const v3Events: readonly (readonly [level: string, sample: v3.Sample, rows: RowCounts])[] = [
  ["up", v3.uplink(), { ...device, uplink: 1, uplink_rx: 2, telemetry_em300_th: 1 }],
  ["join", v3.join(), { ...device, "device_event/join": 1 }],
  ["ack", v3.ack(), { ...device, "device_event/ack": 1 }],
  ["txack", v3.txAck(), { ...device, "device_event/txack": 1 }],
  ["error", v3.errorEvent(), { ...device, "device_event/log": 1 }],
  ["status", v3.status(), { ...device, device_status: 1 }],
  ["location", v3.location(), { ...device, "device_event/location": 1 }],
  ["integration", v3.integration(), { ...device, "device_event/integration": 1 }],
];

function v3Templates(): Template[] {
  return v3Events.flatMap(([level, { json, jsonV3, bytes }, rows]) => {
    const topic = `application/123/device/${v3.devEui}/event/${level}`;
    const payloads = [toJsonBytes(json), toJsonBytes(jsonV3), bytes];
    return payloads.map((payload) => ({ topic, payload: Buffer.from(payload), rows }));
  });
}

function milesightTemplates(): Template[] {
  const rows = { ...device, uplink: 1 };
  return [
    // Without a codec there is nothing to be said beside the radio.
    {
      topic: "ug65/uplink",
      payload: Buffer.from(toJsonBytes(milesightUplink())),
      rows: { ...rows, uplink_rx: 1 },
    },
    {
      topic: "ug65/decoded",
      payload: Buffer.from(toJsonBytes(milesightDecoded())),
      rows: { ...rows, telemetry_unknown: 1 },
    },
  ];
}

export function templates(): readonly Template[] {
  return [...v4Templates(), ...v3Templates(), ...milesightTemplates()];
}

/** The templates in turn, each message with an id that no other has. */
export function* knownMessages(): Generator<KnownMessage, never> {
  const all = templates();
  for (let n = 0; ; n += 1) {
    const template = all[n % all.length];
    if (template === undefined) throw new Error("there are no templates");
    yield numbered(template, n);
  }
}

/** What a broker keeps: states of gateways, which are no news, and uplinks of no known time. None makes a row. */
export function retainedMessages(count: number): Message[] {
  const conn = templates().filter(({ topic }) => topic.endsWith("/state/conn"));
  const up = { topic: retainedUplink.topic, payload: Buffer.from(retainedUplink.payload), rows: {} };
  const kept = [...conn, up];
  return Array.from({ length: count }, (_, n) => {
    const { topic, payload } = numbered(kept[n % kept.length] ?? up, 1_000_000 + n);
    return { topic, payload, retain: true };
  });
}

/** The template under another id, in its topic too: as text, as base64 and as bytes. */
function numbered({ topic, payload, rows }: Template, n: number): KnownMessage {
  const id = knownPrefix + n.toString(16).padStart(8, "0");
  let numberedTopic = topic;
  let bytes = payload.toString("latin1");
  for (const old of templateIds) {
    numberedTopic = numberedTopic.replaceAll(old, id);
    for (const spell of spellings) bytes = bytes.replaceAll(spell(old), spell(id));
  }
  return { topic: numberedTopic, payload: Buffer.from(bytes, "latin1"), rows };
}

/** Of devices, and of the gateway that tells of itself. */
const templateIds = ["24e124538b223213", v3.devEui, "24e124136b502217", "a840410000000103", gatewayId];

const spellings: readonly ((id: string) => string)[] = [
  (id) => id,
  (id) => id.toUpperCase(),
  (id) => Buffer.from(id, "hex").toString("base64"),
  (id) => Buffer.from(id, "hex").toString("latin1"),
];
