import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { expandVariables } from "../../../src/config/expand.ts";
import { newTable, type Table } from "../../../src/config/tree.ts";

function expandText(text: string, env: Record<string, string> = {}) {
  const { tree, findings, isFromEnvironment } = expandVariables(tableOf(text), env);
  return {
    value: tree["key"],
    messages: findings.map((finding) => finding.message),
    fromEnvironment: isFromEnvironment(["key"]),
  };
}

function tableOf(value: unknown): Table {
  const table = newTable();
  table["key"] = value;
  return table;
}

test("a variable stands for its value, wherever it is in the text", () => {
  const { value, fromEnvironment } = expandText("a-${X}-${Y}", { X: "1", Y: "2" });
  assert.equal(value, "a-1-2");
  assert.equal(fromEnvironment, true);
});

test("what a variable holds is not expanded again", () => {
  assert.equal(expandText("${X}", { X: "${Y}$$" }).value, "${Y}$$");
});

test("the default stands for a variable that is unset or empty, and may be empty itself", () => {
  assert.equal(expandText("${X:-d}", {}).value, "d");
  assert.equal(expandText("${X:-d}", { X: "" }).value, "d");
  assert.equal(expandText("${X:-d}", { X: "x" }).value, "x");
  assert.equal(expandText("${X:-}", {}).value, "");
  assert.equal(expandText("${X}", { X: "" }).value, "");
});

test("two dollar signs are one; one before anything but a brace is itself", () => {
  assert.equal(expandText("pa$$word").value, "pa$word");
  assert.equal(expandText("$${X}").value, "${X}");
  assert.equal(expandText("$share/g/application/#").value, "$share/g/application/#");
  assert.equal(expandText("5$").value, "5$");
});

test("an unset variable without a default is a finding", () => {
  assert.deepEqual(expandText("${X}").messages, ["the environment variable X is not set"]);
  assert.deepEqual(expandText("${toString}").messages, ["the environment variable toString is not set"]);
});

test("a reference that cannot be read is a finding", () => {
  for (const text of ["${X", "${", "a${b"])
    assert.deepEqual(expandText(text).messages, ["a ${ without its }"], text);
  for (const text of ["${}", "${1X}", "${X-d}", "${X Y}"]) {
    assert.deepEqual(expandText(text).messages, ["expected ${NAME} or ${NAME:-default}"], text);
  }
});

test("strings in lists and tables are expanded; keys and other values are left alone", () => {
  const inner = newTable();
  inner["${X}"] = ["${X}", 1, true, ["${X}"]];
  const { tree } = expandVariables(tableOf(inner), { X: "x" });
  assert.equal(JSON.stringify(tree), '{"key":{"${X}":["x",1,true,["x"]]}}');
});

test("a text whose dollar signs are doubled comes back as it was", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { value, messages } = expandText(text.replaceAll("$", "$$$$"));
      assert.equal(value, text);
      assert.deepEqual(messages, []);
    }),
    { seed: 7 },
  );
});
