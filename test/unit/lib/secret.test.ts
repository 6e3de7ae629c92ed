import assert from "node:assert/strict";
import { format, inspect } from "node:util";
import { test } from "node:test";
import { Secret } from "../../../src/lib/secret.ts";

const text = "hunter2-very-secret";
const secret = new Secret(text);
const nested = { influx: { token: secret }, list: [secret] };

const prints: readonly (readonly [string, () => string])[] = [
  ["String", () => String(secret)],
  ["a template", () => `token ${nested.list.map(String).join(" ")}`],
  ["concatenation", () => "token " + String([secret, secret])],
  ["toString of an array", () => [secret].join(",")],
  ["JSON", () => JSON.stringify(nested)],
  ["JSON with spaces", () => JSON.stringify(secret, null, 2)],
  ["inspect", () => inspect(nested, { depth: null })],
  ["inspect without custom printers", () => inspect(nested, { depth: null, customInspect: false })],
  ["inspect of everything hidden", () => inspect(secret, { showHidden: true, getters: true })],
  ["format", () => format("%s %o %O %j", secret, secret, secret, secret)],
  ["an error's message", () => inspect(new Error(`login with ${String(secret)} failed`, { cause: nested }))],
  [
    "own keys",
    () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret), Object.assign({}, secret)]),
  ],
  ["a structured clone", () => inspect(structuredClone({ token: Object.assign({}, secret) }))],
];

for (const [how, print] of prints) {
  test(`a secret is not printed by ${how}`, () => {
    const printed = print();
    assert.ok(printed.length > 0);
    assert.ok(!printed.includes(text) && !printed.includes("hunter2"), printed);
  });
}

test("reveal gives the text", () => {
  assert.equal(secret.reveal(), text);
});
