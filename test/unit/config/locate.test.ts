import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { locatorOf } from "../../../src/config/locate.ts";
import { isTable, type Path } from "../../../src/config/tree.ts";

const toml = `top = 1
dotted.a.b = 2

[table]
inline = { x = 1, "y z" = { w = 2 } }
list = [
  "one",
  "two", { deep = true },
]

[[source]]
url = "a"
[[source]]
url = "b"
[source.tls]
verify = true
["__proto__".x]
y = 1
`;

test("a key has the line and column where it is written", () => {
  const locate = locatorOf(toml);
  const places: [Path, number, number][] = [
    [["top"], 1, 1],
    [["dotted", "a", "b"], 2, 10],
    [["table"], 4, 2],
    [["table", "inline", "x"], 5, 12],
    [["table", "inline", "y z", "w"], 5, 29],
    [["table", "list", 1], 8, 3],
    [["table", "list", 2, "deep"], 8, 12],
    [["source", 0, "url"], 12, 1],
    [["source", 1, "url"], 14, 1],
    [["source", 1, "tls", "verify"], 16, 1],
    [["__proto__", "x", "y"], 18, 1],
  ];
  for (const [path, line, column] of places) assert.deepEqual(locate(path), { line, column }, path.join("."));
});

test("a key that is missing has the place of the table that should have it", () => {
  const locate = locatorOf(toml);
  assert.equal(locate(["source", 1, "topics"])?.line, 13);
  assert.equal(locate(["table", "inline", "q"])?.line, 5);
  assert.equal(locate(["nowhere", "x"]), undefined);
});

test("every key that the other parser reads has a place of its own", () => {
  const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string());
  const key = fc.oneof(fc.constantFrom("a", "b", "mqtt", "url"), fc.string());
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      leaf,
      fc.array(leaf, { maxLength: 3 }),
      tie("table"),
      fc.array(tie("table"), { minLength: 1, maxLength: 2 }),
    ),
    table: fc.dictionary(key, tie("node"), { maxKeys: 4 }),
  })).table;
  let seen = 0;
  fc.assert(
    fc.property(tree, (value) => {
      const text = stringify(value);
      const locate = locatorOf(text);
      for (const path of pathsOf(parse(text), [])) {
        const own = locate(path);
        const name = path.at(-1);
        assert.ok(own !== undefined, JSON.stringify(path));
        if (typeof name === "string" && /^[a-z]+$/.test(name)) {
          const line = text.split("\n")[own.line - 1] ?? "";
          assert.ok(line.includes(name), `${JSON.stringify(path)}: ${line}`);
        }
        seen += 1;
      }
    }),
    { numRuns: 150, seed: 7 },
  );
  assert.ok(seen > 200, `only ${seen} keys were seen`);
});

function pathsOf(value: unknown, path: Path): Path[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown, index) => pathsOf(item, [...path, index]));
  const own = path.length === 0 ? [] : [path];
  if (!isTable(value)) return own;
  return [...own, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}
