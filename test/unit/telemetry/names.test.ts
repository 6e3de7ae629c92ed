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

test("plain are letters and digits of ASCII, `_`, `.`, `:` and `-`, 1 to 256 of them", () => {
  const characters = fc.string({
    unit: fc.constantFrom("a", "Z", "0", "9", "_", ".", ":", "-", " ", "é", "\0"),
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.oneof(characters, fc.string({ unit: "binary", maxLength: 2 })), (text) => {
      assert.equal(isPlain(text), /^[A-Za-z0-9_.:-]+$/.test(text));
    }),
    { numRuns: 2000, seed: 7 },
  );
  for (let code = 0; code < 0x180; code += 1) {
    const character = String.fromCharCode(code);
    assert.equal(isPlain(character), /[A-Za-z0-9_.:-]/.test(character), `U+${code.toString(16)}`);
  }
  assert.ok(isPlain("a".repeat(256)) && !isPlain("a".repeat(257)) && !isPlain(""));
});

test("removing a control character does not join the halves of two surrogate pairs", () => {
  assert.equal(cleanName("\ud83d\n\ude00"), "\ufffd\ufffd");
});
