import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseTimestamp, timestampNs } from "../../../src/chirpstack/rfc3339.ts";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import type { Field, Point } from "../../../src/telemetry/point.ts";
import { payloadRows } from "../../../src/telemetry/payload-rows.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import { mappings, noTags, payloadUplink, uplinkNs } from "./payload-uplink.ts";
import { draginoPayloads } from "./payload-fixtures-dragino.ts";
import { indoorPayloads } from "./payload-fixtures-indoor.ts";
import { logPayloads } from "./payload-fixtures-logs.ts";
import { milesightPayloads } from "./payload-fixtures-milesight.ts";
import { outdoorPayloads } from "./payload-fixtures-outdoor.ts";
import type { Columns, DevicePayload } from "./payload-fixtures.ts";

const payloads = [
  ...milesightPayloads,
  ...draginoPayloads,
  ...indoorPayloads,
  ...outdoorPayloads,
  ...logPayloads,
];

const typeNames = { number: "float", string: "string", boolean: "boolean" } as const;

function fieldsOf(columns: Columns): Field[] {
  return Object.entries(columns).map(
    ([name, value]) => ({ name, type: typeNames[typeof value as keyof typeof typeNames], value }) as Field,
  );
}

function nsOf(text: string): bigint {
  const timestamp = parseTimestamp(text);
  const ns = timestamp === undefined ? undefined : timestampNs(timestamp);
  assert.ok(ns !== undefined, text);
  return ns;
}

/** Ours as they are, then the payload's by name: the fixtures have them in the order of the makers' decoders. */
function byName(points: readonly Point[]): Point[] {
  return points.map((point) => {
    const own = point.fields.slice(0, point.openFrom);
    const open = point.fields.slice(point.openFrom);
    return { ...point, fields: [...own, ...open.toSorted((a, b) => (a.name < b.name ? -1 : 1))] };
  });
}

/** Keys last to first, at every level. */
function reversed(value: JsonValue): JsonValue {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(reversed);
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reversed(member)]),
  );
}

function expectedPoints({
  columns,
  history = [],
  profile,
  untimed = [],
  leftOut = [],
}: DevicePayload): Point[] {
  const table = typeof profile?.["table"] === "string" ? profile["table"] : "telemetry_em300_th";
  const name = { name: "device_name", type: "string", value: "barn 7 north" } as const;
  const rows: Point[] = [];
  if (columns !== undefined) {
    const own: Field[] = [
      name,
      { name: "f_cnt", type: "integer", value: 153 },
      { name: "f_port", type: "integer", value: 84 },
    ];
    const count = untimed.length + leftOut.length;
    if (count > 0) own.push({ name: "fields_left_out", type: "integer", value: count });
    const fields = [...own, ...fieldsOf(columns)];
    rows.push({ table, tags: [], fields, timeNs: uplinkNs, openFrom: own.length });
  }
  for (const { time, columns: ofItem } of history) {
    const own: Field[] = [name, { name: "from_history", type: "boolean", value: true }];
    const fields = [...own, ...fieldsOf(ofItem)];
    rows.push({ table, tags: [], fields, timeNs: nsOf(time), openFrom: own.length });
  }
  return rows;
}

describe("payloads of real devices", () => {
  for (const payload of payloads) {
    test(`${payload.maker} ${payload.device}`, () => {
      const profiles = payload.profile === undefined ? [] : mappings([payload.profile]);
      const { points, leftOut, untimed } = payloadRows(
        payloadUplink(payload.object),
        uplinkNs,
        [],
        noTags,
        profiles,
      );
      assert.deepEqual(byName(points), byName(expectedPoints(payload)));
      assert.deepEqual(leftOut?.names, payload.leftOut);
      assert.deepEqual(untimed?.names, payload.untimed);
      const mirrored = payloadUplink(reversed(payload.object) as JsonObject);
      assert.deepEqual(payloadRows(mirrored, uplinkNs, [], noTags, profiles).points, points);
      for (const point of points) {
        const [line] = parseLineProtocol(encodeLine(point) ?? "");
        assert.equal(line?.fields.length, point.fields.length, "every field is written");
      }
    });
  }
});

test("there are at least forty, of at least ten makers", () => {
  assert.ok(payloads.length >= 40, `${payloads.length} payloads`);
  const makers = new Set(payloads.map(({ maker }) => maker));
  assert.ok(makers.size >= 10, `${makers.size} makers`);
});
