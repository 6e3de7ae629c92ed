import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { stringify } from "smol-toml";
import { configSchema } from "../../../src/config/config.ts";
import { allKeyPaths } from "../../../src/config/schema-tree.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { ConfigDirectory, minimal } from "./fixture.ts";

const names = allKeyPaths(configSchema).flatMap((path) => path.filter((step) => typeof step === "string"));

const leaf = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
  fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
  fc.constantFrom(
    "${X}",
    "${",
    "$$",
    "1s",
    "1MiB",
    "mqtts://h",
    "https://h",
    "/",
    "/etc/passwd",
    "\u0000",
    "a/#",
  ),
);
const key = fc.oneof(
  fc.constantFrom(...names),
  fc.constantFrom("__proto__", "constructor", "toString"),
  fc.string(),
);
const junk = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: "small", maxDepth: 6 },
    leaf,
    fc.array(leaf, { maxLength: 3 }),
    tie("table"),
    fc.array(tie("table"), { minLength: 1, maxLength: 3 }),
  ),
  table: fc.array(fc.tuple(key, tie("node")), { maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
})).table;

test("no tree of junk makes loading throw, and every complaint about a key of a file has a line", () => {
  using directory = new ConfigDirectory();
  let problemCount = 0;
  fc.assert(
    fc.property(junk, junk, (main, extra) => {
      directory.write({ "flightline.toml": stringify(main), "conf.d/10.toml": stringify(extra) });
      const result = directory.load({ X: "x" });
      assert.ok(!result.ok);
      for (const problem of result.problems) {
        problemCount += 1;
        const located = problem.line !== undefined || problem.message.startsWith("is missing");
        assert.ok(located, formatProblem(problem));
      }
    }),
    { numRuns: 300, seed: 7 },
  );
  assert.ok(problemCount > 1000, `only ${problemCount} problems were seen`);
});

test("no mutilation of the shipped file makes loading throw", () => {
  using directory = new ConfigDirectory();
  const shipped = readFileSync(
    new URL("../../../config/flightline.toml", import.meta.url),
    "utf8",
  ).replaceAll(/^#(?=\w)/gm, "");
  const cut = fc.tuple(fc.nat(shipped.length), fc.nat(40), fc.string({ unit: "binary", maxLength: 5 }));
  let wrong = 0;
  fc.assert(
    fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
      let text = shipped;
      for (const [start, length, insert] of cuts)
        text = text.slice(0, start) + insert + text.slice(start + length);
      directory.write({ "flightline.toml": text, "conf.d/10.toml": minimal });
      if (!directory.load().ok) wrong += 1;
    }),
    { numRuns: 200, seed: 7 },
  );
  assert.ok(wrong > 100);
});
