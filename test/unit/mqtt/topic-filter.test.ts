import assert from "node:assert/strict";
import { test } from "node:test";
import { commonTopics, isTopicFilter } from "../../../src/mqtt/topic-filter.ts";

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

test("what two filters have in common is a filter, whichever is named first", () => {
  const cases = [
    ["application/+/device/+/event/+", "application/#", "application/+/device/+/event/+"],
    ["application/1/#", "application/+/device/+/event/up", "application/1/device/+/event/up"],
    ["eu868/gateway/#", "+/gateway/+/event/stats", "eu868/gateway/+/event/stats"],
    ["application/#", "+/gateway/+/event/stats", "application/gateway/+/event/stats"],
    ["a/#", "a", "a"],
    ["a/b", "a/b", "a/b"],
    ["#", "#", "#"],
    ["#", "+/x", "+/x"],
    ["+/a", "b/+", "b/a"],
    ["$share/g/a/+", "a/b", "a/b"],
    ["$SYS/#", "$SYS/broker/+", "$SYS/broker/+"],
    ["application/+/device/+/event/+", "+/gateway/+/event/stats", undefined],
    ["a/+", "a", undefined],
    ["a/+", "a/b/c", undefined],
    ["a/b", "a/c", undefined],
    ["#", "$SYS/a", undefined],
    ["+/a", "$SYS/a", undefined],
  ] as const;
  for (const [one, other, common] of cases) {
    assert.equal(commonTopics(one, other), common, `${one} and ${other}`);
    assert.equal(commonTopics(other, one), common, `${other} and ${one}`);
  }
});
