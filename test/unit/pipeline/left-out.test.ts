import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Fault } from "../../../src/lib/fault.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";

function setUp() {
  const faults: Fault[] = [];
  return { faults, report: new LeftOutReport((fault) => faults.push(fault)) };
}

describe("columns without room", () => {
  test("ten are named, the others counted", () => {
    const { faults, report } = setUp();
    const names = Array.from({ length: 13 }, (_, n) => `c${n}`);
    report.add({ profileName: "EM300", table: "climate", names, count: 13, reason: "table" });
    const [fault] = faults;
    assert.equal(fault?.code, "fields_left_out");
    assert.match(
      fault.message,
      /^the table "climate" is full and has no room for "c0", .*"c9" and 3 more from .*"EM300"/,
    );
    assert.doesNotMatch(fault.message, /c10/);
  });

  test("few are all named, and names of any length or content stay on the line", () => {
    const { faults, report } = setUp();
    report.add({
      profileName: "",
      table: "t",
      names: ["a\nb", "x".repeat(1000)],
      count: 2,
      reason: "table",
    });
    const message = faults[0]?.message ?? "";
    assert.match(message, /"a\\nb", "x+…": they are not written$/);
    assert.ok(message.length < 300);
  });

  test("who can mend it is told how: drop, another table, or the configuration of gateways", () => {
    const { faults, report } = setUp();
    const wide = { profileName: "EM300", table: "climate", names: ["a"], count: 1, reason: "row" } as const;
    report.add(wide);
    report.add(wide);
    assert.match(faults.pop()?.hint ?? "", /in drop under \[\[profile\]\]/);
    assert.equal(faults.length, 0, "said once");
    report.add({ profileName: "EM300", table: "climate", names: ["a"], count: 1, reason: "table" });
    report.add({ profileName: "", table: "gateway_stats", names: ["meta_a"], count: 1, reason: "table" });
    assert.match(faults[0]?.hint ?? "", /another table under \[\[profile\]\]/);
    assert.match(faults[1]?.hint ?? "", /\[metadata\]/);
  });

  test("a device whose clock is wrong is told so, and does not mute a later row that is too wide", () => {
    const { faults, report } = setUp();
    const device = { profileName: "AM307", table: "telemetry_am307" };
    const untimed = { ...device, names: ["history_0", "history_1"], count: 3, reason: "time" } as const;
    report.add(untimed);
    report.add({ ...device, names: ["z"], count: 1, reason: "row" });
    report.add(untimed);
    assert.deepEqual(
      faults.map(({ message }) => message),
      [
        'the table "telemetry_am307" takes no items without a usable time, as "history_0", "history_1" and 1 more from devices of profile "AM307": they are not written',
        'the table "telemetry_am307" does not take "z" from devices of profile "AM307": they are not written',
      ],
    );
    assert.match(faults[0]?.hint ?? "", /set the device's clock, or .* in explode under/);
    assert.doesNotMatch(faults[0]?.hint ?? "", /drop/);
    assert.match(faults[1]?.hint ?? "", /in drop under/);
  });

  test("said once for each profile and table, a thousand times at most", () => {
    const { faults, report } = setUp();
    const add = (profileName: string, table: string): void => {
      report.add({ profileName, table, names: ["a"], count: 1, reason: "table" });
    };
    for (let round = 0; round < 3; round += 1) {
      add("p", "t");
      add("p", "u");
      add("q", "t");
    }
    report.add({ profileName: "r", table: "t", names: [], count: 0, reason: "table" });
    assert.equal(faults.length, 3);
    for (let n = 0; n < 5000; n += 1) add(`p${n}`, "t");
    assert.equal(faults.length, 1000);
  });

  test("a tag or column of ours that went beside another is said once for each table and column", () => {
    const { faults, report } = setUp();
    const moved = { name: "lvl", isTag: true, takenBy: "float", column: "lvl_tag" } as const;
    for (let round = 0; round < 2; round += 1) {
      report.addMoved({ table: "t", ...moved });
      report.addMoved({ table: "u", ...moved });
      report.addMoved({ ...moved, table: "uplink", name: "dev_eui", column: "dev_eui_tag" });
      report.addMoved({ ...moved, table: "uplink", name: "f_cnt", isTag: false, column: "f_cnt_num" });
    }
    assert.deepEqual(
      faults.map(({ code, message }) => [code, message]),
      [
        ["t", "lvl", "the tag", "lvl_tag"],
        ["u", "lvl", "the tag", "lvl_tag"],
        ["uplink", "dev_eui", "the tag", "dev_eui_tag"],
        ["uplink", "f_cnt", "our column", "f_cnt_num"],
      ].map(([table, name, what, column]) => [
        "column_taken",
        `the table "${table}" has another column "${name}" of type float: ${what} of that name is written to "${column}"`,
      ]),
    );
    assert.match(faults[0]?.hint ?? "", /\[tags\] or in \[telemetry\] device_tags/);
    for (const ours of faults.slice(2)) assert.match(ours.hint ?? "", /a database of its own/);
  });
});
