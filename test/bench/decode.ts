/**
 * What one uplink costs from bytes to lines: decode, points, fitting to the table's columns and line protocol
 * of a message with 20 payload keys, three gateways and about 1.7 KB of JSON, in both encodings, beside plain
 * `JSON.parse` of the same bytes. Also with a `[[profile]]` at work, and with a table of an older layout, where
 * values go to the column beside theirs. Medians of batches, taken in turns, so that a busy neighbour meets all
 * of them.
 */
import { decode } from "../../src/chirpstack/decode.ts";
import type { JsonObject } from "../../src/chirpstack/event.ts";
import { pointTime } from "../../src/chirpstack/time.ts";
import type { ColumnType, Schema } from "../../src/telemetry/column-types.ts";
import { fit } from "../../src/telemetry/fit.ts";
import { encodeLine } from "../../src/telemetry/line-protocol.ts";
import { points } from "../../src/telemetry/points.ts";
import type { TelemetrySettings } from "../../src/telemetry/settings.ts";
import { climateUplink, toJsonBytes, toProtobufBytes, upTopic } from "../unit/chirpstack/samples.ts";

const batches = 60;
const perBatch = 500;
const warmUpBatches = 10;

/** What one uplink may cost, as the daemon does it. */
const aimUs = 60;

const settings: TelemetrySettings = {
  tags: [{ name: "site", value: "barn-7" }],
  deviceTags: [{ key: "building", name: "building" }],
  profiles: [],
};
const mappedSettings: TelemetrySettings = {
  ...settings,
  profiles: [
    {
      match: { profile: "EM300-TH", application: undefined, tags: new Map() },
      table: "climate",
      rename: new Map([["channel_0", "temperature"]]),
      drop: new Set(["pir"]),
      linear: new Map([["channel_1", { factor: 0.1, offset: -40 }]]),
      sentinels: new Map([["temperature", new Set([327.67])]]),
      numericText: true,
      text: new Set(),
      valueUnit: true,
      explode: new Map(),
    },
  ],
};
const receipt = { receivedNs: 1_749_818_692_700_000_000n, receivedTrusted: true };

class Columns implements Schema {
  readonly #tables = new Map<string, Map<string, ColumnType>>();

  constructor(known: readonly (readonly [table: string, column: string, type: ColumnType])[] = []) {
    for (const [table, column, type] of known) this.columnsOf(table).set(column, type);
  }

  columnsOf(table: string): Map<string, ColumnType> {
    let columns = this.#tables.get(table);
    if (columns === undefined) this.#tables.set(table, (columns = new Map()));
    return columns;
  }
}

const schema = new Columns();
/** Names were tags, and one channel was a text. */
const olderSchema = new Columns([
  ["uplink", "device_name", "tag"],
  ["telemetry_em300_th", "device_name", "tag"],
  ["telemetry_em300_th", "channel_3", "string"],
]);

/** 16 numbers, two texts, a flag and a nested value. */
function payload(): JsonObject {
  const object: JsonObject = { state: "ok", pir: "idle", open: false, status: { mounted: 1 } };
  for (let index = 0; index < 16; index += 1) object[`channel_${index}`] = Math.round(index * 137.03) / 10;
  return object;
}

/** Bytes to lines as the daemon does it; the length of the text keeps the work from being skipped. */
function toLines(bytes: Uint8Array, mapping = settings, columns = schema): number {
  const result = decode(upTopic, bytes);
  if (!result.ok || result.value.kind !== "up") throw new Error("the sample is an uplink");
  const { timeNs, source } = pointTime(result.value, receipt);
  let length = 0;
  for (const point of points(result.value, { timeNs, timeSource: source }, mapping).points) {
    length += encodeLine(fit(point, columns).point)?.length ?? 0;
  }
  return length;
}

function medianUs(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export async function run(): Promise<void> {
  const event = { ...climateUplink(), object: payload() };
  const json = toJsonBytes(event);
  const protobuf = toProtobufBytes(event);
  const text = new TextDecoder();
  const subjects = [
    subject(`JSON.parse alone, ${json.length} B`, () => Object.keys(parse(text.decode(json))).length),
    subject("decode, JSON", () => (decode(upTopic, json).ok ? 1 : 0)),
    subject(`decode, protobuf, ${protobuf.length} B`, () => (decode(upTopic, protobuf).ok ? 1 : 0)),
    subject("decode to lines, JSON", () => toLines(json), aimUs),
    subject("decode to lines, protobuf", () => toLines(protobuf), aimUs),
    subject("  with a [[profile]], JSON", () => toLines(json, mappedSettings), aimUs),
    subject("  into an older table, JSON", () => toLines(json, settings, olderSchema), aimUs),
  ];
  for (let batch = 0; batch < warmUpBatches + batches; batch += 1) {
    for (const { work, samplesUs } of subjects) {
      const started = process.hrtime.bigint();
      let done = 0;
      for (let index = 0; index < perBatch; index += 1) done += work();
      const elapsedUs = Number(process.hrtime.bigint() - started) / 1000 / perBatch;
      if (done < perBatch) throw new Error("a benchmark did nothing");
      if (batch >= warmUpBatches) samplesUs.push(elapsedUs);
    }
    // Other work of the process, garbage collection too, gets its turn between batches.
    await new Promise(setImmediate);
  }
  for (const { name, samplesUs, aimUs: aim } of subjects) {
    const us = medianUs(samplesUs);
    const share = aim === undefined ? "" : `, ${((us / aim) * 100).toFixed(0)} % of the aim of ${aim} µs`;
    process.stdout.write(`${name.padEnd(30)} ${us.toFixed(1).padStart(6)} µs per uplink (median)${share}\n`);
  }
}

interface Subject {
  readonly name: string;
  readonly work: () => number;
  readonly aimUs: number | undefined;
  readonly samplesUs: number[];
}

function subject(name: string, work: () => number, aim?: number): Subject {
  return { name, work, aimUs: aim, samplesUs: [] };
}

function parse(text: string): object {
  return JSON.parse(text) as object;
}

if (import.meta.main) await run();
