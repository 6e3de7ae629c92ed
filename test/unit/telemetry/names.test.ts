import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { cleanName, cleanString, cleanTagValue, isPlain } from "../../../src/telemetry/names.ts";

const texts = fc.oneof(
  fc.string({
    unit: fc.constantFrom("\\", ",", " ", '"', "\n", "\ud800", "\udc00", "a", "😀"),
    maxLength: 12,
  }),
  fc.string({ unit: fc.constantFrom("😀", "a", "\\"), minLength: 500, maxLength: 1100 }),
);

test("cleaning twice changes nothing more, and what is plain needs none", () => {
  fc.assert(
    fc.property(texts, (text) => {
      for (const clean of [cleanName, cleanTagValue, cleanString]) {
        const once = clean(text);
        assert.equal(clean(once), once);
        assert.ok(once.isWellFormed());
        if (isPlain(text)) assert.equal(once, text);
      }
    }),
    { seed: 5 },
  );
});

test("removing a control character does not join the halves of two surrogate pairs", () => {
  assert.equal(cleanName("\ud83d\n\ude00"), "\ufffd\ufffd");
});
