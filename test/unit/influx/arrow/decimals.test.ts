import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decimalText, integerOfWords } from "../../../../src/influx/arrow/decimals.ts";

const int256 = fc.bigInt({ min: -(2n ** 255n), max: 2n ** 255n - 1n });

test("a decimal's text is its unscaled value, shifted by its scale", () => {
  fc.assert(
    fc.property(int256, fc.integer({ min: -128, max: 128 }), (unscaled, scale) => {
      const text = decimalText(unscaled, scale);
      const parts = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?$/.exec(text);
      assert.ok(parts !== null, text);
      const [, sign = "", whole = "", fraction = ""] = parts;
      assert.equal(fraction.length, Math.max(scale, 0));
      const digits = BigInt(sign + whole + fraction);
      assert.equal(digits, unscaled * 10n ** BigInt(Math.max(-scale, 0)));
      assert.equal(sign === "-", unscaled < 0n);
    }),
    {
      examples: [
        [0n, 2],
        [0n, -2],
        [-5n, 2],
        [-5n, -2],
        [100n, 2],
      ],
    },
  );
});

test("an integer of 32-bit words is their two's complement, wherever they stand", () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 4, 8), fc.nat(3), int256, (count, first, value) => {
      const words = new Uint32Array(first + count + 1).fill(0xdead_beef);
      for (let word = 0; word < count; word += 1) {
        words[first + word] = Number(BigInt.asUintN(32, value >> BigInt(32 * word)));
      }
      assert.equal(integerOfWords(words, first, count), BigInt.asIntN(32 * count, value));
    }),
  );
});
