import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { oneLine } from "../../../src/lib/one-line.ts";

test("a text is one line without controls, and cut with a mark where it is too long", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["  a \n\n b\u001b[31m\u0085c\u2028d\u202ee ", "a b [31m c d e"],
    ["x".repeat(20), "x".repeat(20)],
    ["x".repeat(21), `${"x".repeat(19)}…`],
    // Neither half of what stands on the cut.
    [`${"x".repeat(18)}\u{1f600}yy`, `${"x".repeat(18)}…`],
    ["a\ud800b", "a\ufffdb"],
    ["", ""],
  ];
  for (const [text, expected] of rows) assert.equal(oneLine(text, 20), expected);
});

test("whatever the text, the line is short, printable and well-formed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      const line = oneLine(text, 20);
      assert.ok(line.length <= 20 && line.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(line));
    }),
  );
});
