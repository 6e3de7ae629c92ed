import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { telemetryColumns } from "../../../src/telemetry/own-columns.ts";
import { payloadRows } from "../../../src/telemetry/payload-rows.ts";
import { deviceTags } from "../../../src/telemetry/tags.ts";
import { fieldsOf, layout, mappings, payloadUplink, rowsOf, uplinkNs } from "./payload-uplink.ts";

const nothing = { points: [], leftOut: undefined, untimed: undefined };

describe("rows", () => {
  test("of history have the message's table and tags, and no counters", () => {
    const object = {
      t: 1,
      history: [
        { timestamp: 1_650_881_694, t: 2 },
        { timestamp: 1_650_881_694, t: 3 },
      ],
    };
    const { points } = rowsOf(payloadUplink(object));
    assert.equal(points.length, 3);
    const [live, ...history] = points;
    for (const [index, row] of history.entries()) {
      assert.equal(row.table, live?.table);
      assert.deepEqual(row.tags, live?.tags);
      assert.equal(row.openFrom, 2);
      assert.equal(row.timeNs, 1_650_881_694_000_000_000n + BigInt(index));
      assert.deepEqual(fieldsOf(row), { device_name: "barn 7 north", from_history: true, t: index + 2 });
    }
  });

  test("of the same history, sent again later, are the same", () => {
    const history = [
      { timestamp: 1_650_881_694, t: 2 },
      { timestamp: 1_650_881_694, t: 3 },
    ];
    const first = payloadUplink({ t: 1, history });
    const again = { ...payloadUplink({ t: 9, history }), fCnt: 700, fPort: 3 };
    const tags = deviceTags(first.device, layout);
    const later = payloadRows(again, uplinkNs + 3_600_000_000_000n, tags, layout, []);
    assert.deepEqual(later.points.slice(1), rowsOf(first).points.slice(1));
  });

  test("there is none without a usable leaf", () => {
    const objects = [
      undefined,
      {},
      { a: null },
      { a: [{}, []] },
      { history: [{ timestamp: 1_650_881_694 }] },
    ];
    for (const object of objects) {
      assert.deepEqual(rowsOf(payloadUplink(object)), nothing);
    }
  });

  test("a port that is not known is not in them", () => {
    const [row] = rowsOf({ ...payloadUplink({ a: 1 }), fPort: undefined }).points;
    assert.deepEqual(Object.keys(fieldsOf(row)), ["device_name", "f_cnt_", "a"]);
  });

  test("payload keys give way to tags and to our columns", () => {
    const object = {
      site: 1,
      floor: 2,
      time: 3,
      f_port: 4,
      from_history: 5,
      fields_left_out: 6,
      f_cnt: 7,
      f_cnt_: 8,
    };
    const names = rowsOf(payloadUplink(object)).points[0]?.fields.map((field) => field.name);
    assert.deepEqual(names, [
      "device_name",
      "f_cnt_",
      "f_port",
      "f_cnt__",
      "f_cnt___",
      "f_port_",
      "fields_left_out_",
      "floor_",
      "from_history_",
      "site_",
      "time_",
    ]);
  });

  test("of a `[[profile]]` with a table are in that table", () => {
    const { points } = rowsOf(payloadUplink({ a: 1 }), mappings([{ table: "climate" }]));
    assert.deepEqual(
      points.map((point) => point.table),
      ["climate"],
    );
  });

  test("explode = {} leaves every array where it is", () => {
    const object = { history: [{ timestamp: 1_650_881_694, t: 2 }] };
    const { points } = rowsOf(payloadUplink(object), mappings([{ explode: {} }]));
    assert.equal(points.length, 1);
    assert.equal(fieldsOf(points[0])["history_0_t"], 2);
  });

  test("a dropped array is not exploded", () => {
    const object = { a: 1, history: [{ timestamp: 1_650_881_694, t: 2 }] };
    assert.equal(rowsOf(payloadUplink(object), mappings([{ drop: ["history"] }])).points.length, 1);
  });
});

describe("room", () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, index]));

  test("a row has at most 200 columns, tags and time among them; what is left out is counted and named", () => {
    const { points, leftOut } = rowsOf(payloadUplink(many), mappings([{ table: "climate" }]));
    const fields = fieldsOf(points[0]);
    const kept = Object.keys(fields).filter((name) => name.startsWith("k")).length;
    // `reserved` is time and every tag, also those that this device or table does not have.
    assert.equal(kept, 200 - layout.reserved.size - telemetryColumns.length);
    assert.equal(fields["fields_left_out"], 300 - kept);
    assert.equal(leftOut?.table, "climate");
    assert.equal(leftOut?.profileName, "EM300-TH");
    assert.equal(leftOut?.names.length, 20);
    assert.equal(leftOut?.names[0], Object.keys(many).toSorted()[kept]);
  });

  test("what an item of a history has too much is counted in its row", () => {
    const { points, leftOut } = rowsOf(payloadUplink({ history: [{ timestamp: 1_650_881_694, ...many }] }));
    assert.equal(points.length, 1);
    assert.ok(Number(fieldsOf(points[0])["fields_left_out"]) > 100);
    assert.equal(leftOut?.names.length, 20);
  });

  test("items without a time that can be right make no columns: they are counted and named", () => {
    const history = [
      { timestamp: 1204, t: 1 },
      { timestamp: 1_650_881_694, t: 2 },
      { t: 3 },
      null,
      { timestamp: null, t: 4 },
    ];
    const { points, leftOut, untimed } = rowsOf(payloadUplink({ a: 1, history }));
    assert.deepEqual(
      points.map((point) => Object.entries(fieldsOf(point)).slice(1)),
      [
        [
          ["f_cnt_", 153],
          ["f_port", 84],
          ["fields_left_out", 3],
          ["a", 1],
        ],
        [
          ["from_history", true],
          ["t", 2],
        ],
      ],
    );
    assert.equal(leftOut, undefined, "it is not for want of room");
    assert.deepEqual(untimed?.names, ["history_0", "history_2", "history_4"]);
    assert.equal(untimed.count, 3);
  });

  test("a message with nothing but such items has a row that counts them", () => {
    const object = { history: [{ timestamp: 0, t: 1 }] };
    const { points, untimed } = rowsOf(payloadUplink(object));
    assert.deepEqual(points.map(fieldsOf), [
      { device_name: "barn 7 north", f_cnt_: 153, f_port: 84, fields_left_out: 1 },
    ]);
    assert.equal(untimed?.count, 1);
    const dropped = rowsOf(payloadUplink(object), mappings([{ drop: ["history_0"] }]));
    assert.deepEqual(dropped, nothing);
  });

  test("items beyond the rows that a message may make are left out, not flattened", () => {
    const history = Array.from({ length: 300 }, (_, index) => ({
      timestamp: 1_650_881_694 + index,
      t: index,
    }));
    const { points, leftOut } = rowsOf(payloadUplink({ a: 1, history }));
    assert.equal(points.length, 257);
    assert.deepEqual(leftOut?.names.slice(0, 2), ["history_256…", "history_257…"]);
    assert.equal(leftOut.count, 44);
    assert.equal(fieldsOf(points[0])["fields_left_out"], 44);
    assert.deepEqual(Object.keys(fieldsOf(points[0])).slice(3), ["fields_left_out", "a"]);
  });
});

test("rename, sentinel and scale compose: the sentinel is what comes, the column what is left", () => {
  const profiles = mappings([
    {
      rename: { temp: "temperature" },
      sentinel: { temperature: [327.67] },
      scale: { temperature: { factor: 10, offset: 5 } },
    },
  ]);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.constant(327.67),
        fc.integer({ min: -500, max: 500 }).map((n) => n / 10),
      ),
      (temp) => {
        for (const raw of [temp, String(temp)]) {
          const { points } = rowsOf(payloadUplink({ temp: raw }), profiles);
          if (temp === 327.67) assert.equal(points.length, 0);
          else {
            const value = fieldsOf(points[0])["temperature"];
            assert.ok(typeof value === "number" && Math.abs(value - (temp * 10 + 5)) < 1e-9, String(value));
          }
        }
      },
    ),
    { seed: 6 },
  );
});
