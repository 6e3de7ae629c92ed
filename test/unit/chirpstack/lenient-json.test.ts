/** The kinds of field that other messages than v4's uplink bring. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DroppedParts } from "../../../src/chirpstack/dropped.ts";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { readLeniently } from "../../../src/chirpstack/lenient-json.ts";
import { GatewayStatsSchema } from "../../../src/proto/gw/gw_pb.js";
import { LogEventSchema } from "../../../src/proto/integration/integration_pb.js";
import * as v3 from "../../../src/proto/v3/v3_pb.js";

function droppedBy(read: (dropped: DroppedParts) => void): string[] {
  const dropped = new DroppedParts();
  read(dropped);
  return [...dropped.paths()].sort();
}

test("64-bit integers are read as numbers or decimal text, and only when they are exact", () => {
  const read = (applicationID: JsonObject[string]): bigint | undefined => {
    const dropped = new DroppedParts();
    const message = readLeniently(v3.UplinkEventSchema, { applicationID }, "", dropped);
    return dropped.hasField(message, "applicationId") ? undefined : message.applicationId;
  };
  assert.equal(read("123"), 123n);
  assert.equal(read(123), 123n);
  assert.equal(read("18446744073709551615"), 18_446_744_073_709_551_615n);
  for (const wrong of [
    "18446744073709551616",
    "-1",
    -1,
    1.5,
    2 ** 53,
    "1e3",
    "0x10",
    "",
    true,
    "9".repeat(100_000),
  ]) {
    assert.equal(read(wrong), undefined, String(wrong).slice(0, 30));
  }
});

test("maps keep the entries that fit, whatever kind keys and values are", () => {
  const json = JSON.parse(
    '{"txPacketsPerFrequency":{"867300000":1,"868.1":2,"x":3,"4294967296":4,"868100000":"5"},' +
      '"txPacketsPerStatus":{"OK":"7","TOO_LATE":-1,"__proto__":2},"metadata":{"a":"b","c":1,"__proto__":"d"}}',
  ) as JsonObject;
  const dropped = new DroppedParts();
  const stats = readLeniently(GatewayStatsSchema, json, "", dropped);
  assert.deepEqual(stats.txPacketsPerFrequency, { "867300000": 1, "868100000": 5 });
  assert.deepEqual(Object.entries(stats.txPacketsPerStatus), [
    ["OK", 7],
    ["__proto__", 2],
  ]);
  assert.deepEqual(Object.entries(stats.metadata), [
    ["a", "b"],
    ["__proto__", "d"],
  ]);
  assert.deepEqual([...dropped.paths()].sort(), [
    "metadata.c",
    "txPacketsPerFrequency.4294967296",
    "txPacketsPerFrequency.868.1",
    "txPacketsPerFrequency.x",
    "txPacketsPerStatus.TOO_LATE",
  ]);
  assert.deepEqual(
    droppedBy((lost) => readLeniently(GatewayStatsSchema, { metadata: ["a"] }, "", lost)),
    ["metadata"],
  );
});

test("an enum is read by name or number, in any message", () => {
  const level = (sent: JsonObject[string]): number =>
    readLeniently(LogEventSchema, { level: sent }, "", new DroppedParts()).level;
  assert.deepEqual([level("ERROR"), level(2), level(null), level(99)], [2, 2, 0, 99]);
  for (const wrong of ["error", 0.5, {}, 2 ** 31]) {
    assert.deepEqual(
      droppedBy((dropped) => readLeniently(LogEventSchema, { level: wrong }, "", dropped)),
      ["level"],
    );
  }
});

test("a field is known by its JSON name, its name in the schema and its former name", () => {
  const spellings: JsonObject[] = [
    { gatewayIdLegacy: "ABbAAfFToUw=" },
    { gateway_id_legacy: "ABbAAfFToUw=" },
    { gatewayID: "ABbAAfFToUw=" },
  ];
  for (const json of spellings) {
    const stats = readLeniently(GatewayStatsSchema, json, "", new DroppedParts());
    assert.equal(Buffer.from(stats.gatewayIdLegacy).toString("hex"), "0016c001f153a14c");
  }
  const uplink = readLeniently(v3.UplinkEventSchema, { devEUI: "AgICAgICAgI=" }, "", new DroppedParts());
  assert.deepEqual(uplink.devEui, new Uint8Array(8).fill(2));
});
