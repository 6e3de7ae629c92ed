/**
 * What one uplink costs from bytes to lines: decode, points and line protocol of a message with 20 payload
 * keys, three gateways and about 1.5 KB of JSON, in both encodings, beside plain `JSON.parse` of the same bytes.
 * Medians of batches, taken in turns, so that a busy neighbour meets all of them.
 */
import { decode } from "../../src/chirpstack/decode.ts";
import type { JsonObject } from "../../src/chirpstack/event.ts";
import { pointTime } from "../../src/chirpstack/time.ts";
import { encodeLine } from "../../src/telemetry/line-protocol.ts";
import { points } from "../../src/telemetry/points.ts";
import { climateUplink, toJsonBytes, toProtobufBytes, upTopic } from "../unit/chirpstack/samples.ts";

const batches = 60;
const perBatch = 500;
const warmUpBatches = 10;

const settings = { tags: [{ name: "site", value: "barn-7" }], deviceTags: ["building"] };
const receipt = { receivedNs: 1_749_818_692_700_000_000n, receivedTrusted: true };

/** 16 numbers, two texts, a flag and a nested value. */
function payload(): JsonObject {
  const object: JsonObject = { state: "ok", pir: "idle", open: false, status: { mounted: 1 } };
  for (let index = 0; index < 16; index += 1) object[`channel_${index}`] = Math.round(index * 137.03) / 10;
  return object;
}

/** Bytes to lines as the daemon does it; the length of the text keeps the work from being skipped. */
function toLines(bytes: Uint8Array): number {
  const result = decode(upTopic, bytes);
  if (!result.ok || result.value.kind !== "up") throw new Error("the sample is an uplink");
  const { timeNs, source } = pointTime(result.value, receipt);
  let length = 0;
  for (const point of points(result.value, { timeNs, timeSource: source }, settings)) {
    length += encodeLine(point)?.length ?? 0;
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
  const subjects: readonly { name: string; work: () => number; samplesUs: number[] }[] = [
    {
      name: `JSON.parse alone, ${json.length} B`,
      work: () => Object.keys(parse(text.decode(json))).length,
      samplesUs: [],
    },
    { name: "decode, JSON", work: () => (decode(upTopic, json).ok ? 1 : 0), samplesUs: [] },
    {
      name: `decode, protobuf, ${protobuf.length} B`,
      work: () => (decode(upTopic, protobuf).ok ? 1 : 0),
      samplesUs: [],
    },
    { name: "decode + points + lines, JSON", work: () => toLines(json), samplesUs: [] },
    { name: "decode + points + lines, protobuf", work: () => toLines(protobuf), samplesUs: [] },
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
  for (const { name, samplesUs } of subjects) {
    process.stdout.write(
      `${name.padEnd(36)} ${medianUs(samplesUs).toFixed(1).padStart(6)} µs per uplink (median)\n`,
    );
  }
}

function parse(text: string): object {
  return JSON.parse(text) as object;
}

if (import.meta.main) await run();
