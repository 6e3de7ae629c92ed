import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uplink } from "../../../src/chirpstack/event.ts";
import { decode } from "../../../src/chirpstack/decode.ts";
import {
  ownColumns,
  ownTags,
  telemetryColumns,
  uplinkColumns,
  uplinkRxColumns,
} from "../../../src/telemetry/own-columns.ts";
import { points } from "../../../src/telemetry/points.ts";
import { tagLayout } from "../../../src/telemetry/tags.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";

const noTags = { tags: [], deviceTags: [] };
const time = { timeNs: 1_749_818_692_653_481_123n, timeSource: "event" };

function climate(): Uplink {
  const result = decode(upTopic, toJsonBytes(climateUplink()));
  assert.ok(result.ok && result.value.kind === "up");
  return result.value;
}

/** Every column that some uplink has: of both modulations, heard badly, by a gateway that knows its place. */
function fullUplinks(): Uplink[] {
  const lora = climate();
  const receptions = lora.receptions.map((reception) => ({
    ...reception,
    crcOk: false,
    location: { latitude: 1, longitude: 2, altitude: 3 },
  }));
  // More leaves than a table has columns: some find no room.
  const object = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`leaf_${index}`, index]));
  return [
    { ...lora, receptions, object },
    { ...lora, modulation: { kind: "fsk", bitrateBps: 50_000 } },
  ];
}

test("the lists of our columns are those that uplinks give", () => {
  const made = new Map<string, Set<string>>();
  for (const point of fullUplinks().flatMap((uplink) => points(uplink, time, noTags))) {
    const table = point.table.startsWith("telemetry_") ? "telemetry" : point.table;
    const names = made.get(table) ?? new Set();
    made.set(table, names);
    for (const { name } of point.fields) names.add(name);
  }
  const sorted = (names: Iterable<string>): string[] => [...names].toSorted();
  assert.deepEqual(sorted(made.get("uplink") ?? []), sorted(uplinkColumns));
  assert.deepEqual(sorted(made.get("uplink_rx") ?? []), sorted(uplinkRxColumns));
  const telemetry = made.get("telemetry") ?? new Set();
  for (const name of telemetryColumns) assert.ok(telemetry.has(name), name);
  assert.deepEqual(sorted(tagLayout(noTags).reserved), sorted(ownTags));
});

test("a tag that is called like a column of ours would rename it: that is why each is refused", () => {
  const [lora] = fullUplinks();
  assert.ok(lora !== undefined);
  for (const name of uplinkColumns.filter((column) => column !== "bitrate")) {
    assert.ok(ownColumns.has(name));
    const settings = { tags: [{ name, value: "1" }], deviceTags: [] };
    const [row] = points(lora, time, settings);
    assert.ok(
      row?.fields.some((field) => field.name === `${name}_`),
      name,
    );
  }
});
