import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import { points } from "../../../src/telemetry/points.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";

const time = { timeNs: 1_749_818_692_653_481_123n, timeSource: "event" };

test("any object gives rows that InfluxDB reads back whole, the same each time", () => {
  const keys = fc.oneof(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.constantFrom(
      "time",
      "_x",
      "x",
      "x_",
      "__proto__",
      "constructor",
      "",
      "_",
      "a\nb",
      "ab",
      "f_cnt",
      "site",
      "b\\",
      "b/",
    ),
  );
  const { object: objects } = fc.letrec<{ value: unknown; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, true, "text", Infinity, Number.NaN),
      fc.double(),
      fc.string({ unit: "binary" }),
      fc.array(tie("value"), { maxLength: 3 }),
      tie("object"),
    ),
    object: fc
      .array(fc.tuple(keys, tie("value")), { maxLength: 5 })
      .map((entries) => Object.fromEntries(entries) as JsonObject),
  }));
  const settings = {
    tags: [{ name: "site", value: "s" }],
    deviceTags: [{ key: "building", name: "building" }],
    profiles: [],
  };
  const decoded = decode(upTopic, toJsonBytes(climateUplink()));
  assert.ok(decoded.ok && decoded.value.kind === "up");
  const uplink = decoded.value;
  let leaves = 0;
  fc.assert(
    fc.property(objects, (object) => {
      const rows = points({ ...uplink, object }, time, settings).points;
      assert.deepEqual(points({ ...uplink, object: structuredClone(object) }, time, settings).points, rows);
      for (const row of rows) {
        const [parsed] = parseLineProtocol(encodeLine(row) ?? "");
        // The names that points() chose are the names that arrive: the encoder finds nothing to change.
        assert.deepEqual(
          parsed?.fields.map(([name]) => name),
          row.fields.map((field) => field.name),
        );
        for (const field of row.fields) assert.doesNotMatch(field.name, /^_|[\p{Cc}]/u);
      }
      const telemetry = rows.find((row) => row.table.startsWith("telemetry"));
      leaves += telemetry === undefined ? 0 : telemetry.fields.length - 3;
    }),
    { numRuns: 1000, seed: 11 },
  );
  assert.ok(leaves > 1000, `${leaves} leaves`);
});
