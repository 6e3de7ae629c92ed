import assert from "node:assert/strict";
import { test } from "node:test";
import { packFlags, placeOf, unpackFlags } from "../../../src/journal/message.ts";

test("all flags survive packing, in every combination", () => {
  for (let bits = 0; bits < 24; bits += 1) {
    const flags = {
      clockTrusted: (bits & 1) !== 0,
      duplicate: (bits & 2) !== 0,
      retained: (bits & 4) !== 0,
      qos: ([0, 1, 2] as const)[bits >> 3] ?? 0,
    };
    assert.deepEqual(unpackFlags(packFlags(flags)), flags);
    for (const firstPlace of [0, 1, 255, 999_999]) {
      const again = { ...flags, again: true, firstPlace } as const;
      assert.deepEqual(unpackFlags(packFlags(again)), again);
    }
  }
});

test("a message keeps its place in its millisecond through any number of lives", () => {
  assert.equal(placeOf({ seq: 7_000_123 }), 123);
  assert.equal(placeOf({ seq: 9_999_999, firstPlace: 123 }), 123);
  assert.equal(placeOf({ seq: 9_999_999, firstPlace: 0 }), 0);
});
