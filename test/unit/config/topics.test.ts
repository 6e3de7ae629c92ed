import assert from "node:assert/strict";
import { test } from "node:test";
import { isTopicFilter } from "../../../src/mqtt/config.ts";

test("a topic filter has + as a whole level and # as the last one", () => {
  const right = [
    "a",
    "/",
    "a/b",
    "#",
    "+",
    "a/#",
    "a/+/b",
    "+/+/#",
    "$share/g/application/#",
    "é/水",
    "a//b",
    "a b",
  ];
  for (const filter of right) assert.equal(isTopicFilter(filter), true, filter);
  const wrong = [
    "",
    "a#",
    "#/a",
    "a/#/b",
    "a+",
    "a/+b",
    "a/b#",
    "a\u0000b",
    "a\nb",
    "\ud800",
    "x".repeat(65_536),
  ];
  for (const filter of wrong) assert.equal(isTopicFilter(filter), false, JSON.stringify(filter.slice(0, 20)));
});
