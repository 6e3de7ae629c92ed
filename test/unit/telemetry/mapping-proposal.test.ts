import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { parse } from "smol-toml";
import type { DeviceInfo, JsonObject } from "../../../src/chirpstack/event.ts";
import { proposeMapping } from "../../../src/telemetry/mapping-proposal.ts";
import { explainPayload } from "../../../src/telemetry/mapping-trace.ts";
import type { MappingTrace } from "../../../src/telemetry/mapping-trace.ts";
import { payloadRows } from "../../../src/telemetry/payload-rows.ts";
import { compileProfiles, profileSchema } from "../../../src/telemetry/profile-config.ts";
import type { ProfileMapping } from "../../../src/telemetry/settings.ts";
import { mappings, noTags, payloadUplink, uplinkNs } from "./payload-uplink.ts";

function traces(
  objects: readonly JsonObject[],
  profiles: readonly ProfileMapping[] = [],
  device: Partial<DeviceInfo> = {},
): MappingTrace[] {
  return objects.map((object) => explainPayload(payloadUplink(object, device), uplinkNs, noTags, profiles));
}

const propose = (objects: readonly JsonObject[]): string => proposeMapping(traces(objects));

/** As the configuration would read it. */
function tableOf(toml: string): Record<string, unknown> {
  const tables = parse(toml)["profile"];
  assert.ok(Array.isArray(tables) && tables.length === 1, toml);
  // With ordinary prototypes: deepEqual looks at them.
  return structuredClone(tables[0]) as Record<string, unknown>;
}

function compile(toml: string): readonly ProfileMapping[] {
  return compileProfiles([profileSchema.parse(tableOf(toml))]);
}

describe("a proposal", () => {
  const lht65n = [24.7, 24.9, 25.3].flatMap((temperature): JsonObject[] => [
    { Node_type: "LHT65N", BatV: 3.29, Bat_status: 3, TempC_SHT: temperature, TempC_DS: 327.67 },
    {
      Node_type: "LHT65N",
      BatV: 3.29,
      Bat_status: "Good",
      TempC_SHT: temperature,
      TempC_DS: temperature - 5,
    },
  ]);

  test("for a Dragino is this block, with its reasons", () => {
    assert.equal(
      propose(lht65n),
      [
        '# from the last 6 payloads of "EM300-TH"',
        "[[profile]]",
        'match = { profile = "EM300-TH" }',
        "# on the device's page in ChirpStack rather than in every row:",
        "drop = [",
        '  "Node_type", # "LHT65N" in all 6 payloads that have it',
        "]",
        '# Bat_status changes its type: number in 3 (such as 3), text in 3 (such as "Good"): a column has one type, the other values go to a column with a suffix',
        "",
        "[profile.sentinel]",
        "# 327.67: 3 of 6 values; the others are from 19.7 to 20.3",
        "TempC_DS = [327.67]",
        "",
      ].join("\n"),
    );
  });

  test("does what it says once it is in the configuration, and then there is nothing more to propose", () => {
    const objects: JsonObject[] = [
      ...lht65n.map((object) => ({ ...object, Bat_status: 3, battery_mV: 3290, tempF: 70 })),
      { data: [{ ts: 1_650_881_694, x: 1 }], history: [{ timestamp: 1_650_881_600, x: 2 }] },
    ];
    const profiles = compile(propose(objects));
    const rows = objects.flatMap(
      (object) => payloadRows(payloadUplink(object), uplinkNs, [], noTags, profiles).points,
    );
    const first = Object.fromEntries(rows[0]?.fields.map(({ name, value }) => [name, value]) ?? []);
    assert.deepEqual(first, {
      device_name: "barn 7 north",
      f_cnt: 153,
      f_port: 84,
      BatV: 3.29,
      Bat_status: 3,
      TempC_SHT: 24.7,
      battery_v: 3.29,
      temp_c: 21.1111111111,
    });
    assert.deepEqual(
      rows.slice(-2).map((row) => row.timeNs),
      [1_650_881_694_000_000_000n, 1_650_881_600_000_000_000n],
    );
    assert.equal(proposeMapping(traces(objects, profiles)), "");
  });

  test("is empty when there is nothing to say, or nobody to say it of", () => {
    assert.equal(proposeMapping([]), "");
    assert.equal(propose([{ temperature: 21 }, { temperature: 22 }]), "");
    const nameless = traces(lht65n, [], { profileName: "", profileId: "" });
    assert.equal(proposeMapping(nameless), "");
  });

  test("matches by id where the profile has no name, and looks at one profile only", () => {
    const [byId] = traces(lht65n.slice(0, 1), [], { profileName: "", profileId: "id-1" });
    const others = traces(lht65n.slice(0, 1).map((object) => ({ ...object, tempF: 70 })));
    assert.ok(byId !== undefined);
    const table = tableOf(proposeMapping([byId, ...others]));
    assert.deepEqual(table["match"], { profile: "id-1" });
    assert.equal(table["unit"], undefined);
  });

  test("says where its lines belong when a [[profile]] applies already, and proposes only what is new", () => {
    const profiles = mappings([{ match: { profile: "x" } }, { drop: ["Node_type"] }]);
    const toml = proposeMapping(traces(lht65n, profiles));
    assert.match(toml, /^# \[\[profile\]\] number 2 of the configuration applies already/m);
    assert.equal(tableOf(toml)["drop"], undefined);
    assert.deepEqual(tableOf(toml)["sentinel"], { TempC_DS: [327.67] });
  });
});

describe("sentinels", () => {
  const found = (values: readonly (number | string)[]): unknown => {
    const toml = propose(values.map((t) => ({ t, a: 1 })));
    return toml === ""
      ? undefined
      : (tableOf(toml)["sentinel"] as Record<string, unknown> | undefined)?.["t"];
  };

  test("are values that nobody measures, also when there are no others", () => {
    assert.deepEqual(found([327.67, 327.67]), [327.67]);
    assert.deepEqual(found(["327.67", 21.5, -327.68]), [327.67, -327.68]);
    assert.deepEqual(found([6553.5, 41.2]), [6553.5]);
  });

  test("and values that can be measured, when all others are elsewhere", () => {
    assert.deepEqual(found([65_535, 410, 980]), [65_535]);
    assert.deepEqual(found([-0.01, 21.5, 22]), [-0.01]);
    assert.equal(found([65_535, 65_535]), undefined);
    assert.equal(found([-0.01, 0.5, 1.2]), undefined);
    assert.equal(found([65_535, 65_400, 10]), undefined);
    assert.equal(found([-0.01, 30, -2]), undefined);
  });
});

describe("other findings", () => {
  test("identities are called so, and the same in two payloads or more", () => {
    const objects = [1, 2].map((n) => ({
      codecVersion: "1.0",
      manufacturer: "Y",
      serialNumber: "34569125",
      hardware_version: `v${n}`,
      mode: "eco",
      nested: { device_id: 858 },
    }));
    assert.deepEqual(tableOf(propose(objects))["drop"], [
      "codecVersion",
      "manufacturer",
      "serialNumber",
      "nested_device_id",
    ]);
    assert.equal(propose(objects.slice(0, 1)), "");
  });

  test("an identity is one device's own, so it may differ from device to device", () => {
    const of = (devEui: string, serials: readonly string[]): MappingTrace[] =>
      traces(
        serials.map((sn) => ({ sn })),
        [],
        { devEui },
      );
    assert.match(
      proposeMapping([...of("a", ["A1", "A1"]), ...of("b", ["B7"])]),
      /"sn", # "A1" and others, each device/,
    );
    assert.equal(proposeMapping([...of("a", ["A1"]), ...of("b", ["B7"])]), "");
    assert.equal(proposeMapping([...of("a", ["A1", "A2"]), ...of("b", ["B7", "B7"])]), "");
  });

  test("a key that is a number by its looks only stays a text", () => {
    const table = tableOf(propose([{ code: "12" }, { code: "A4" }]));
    assert.deepEqual(table["text"], ["code"]);
    assert.match(
      propose([{ code: 12 }, { code: "A4" }]),
      /^# code changes its type: number in 1 .*, text in 1 /m,
    );
  });

  test("arrays with times are exploded, and history stays so", () => {
    const toml = propose([{ logs: [{ date: "2025-06-13T10:00:00Z", v: 1 }] }]);
    assert.deepEqual(tableOf(toml)["explode"], { logs: "date", history: "timestamp" });
  });

  test("a unit in a name is converted and the name with it, unless the better name is taken", () => {
    const table = tableOf(
      propose([{ battery_mv: 3600, vddMv: 3.6, tempF: 70, temperature_F: 71, temperature_c: 21 }]),
    );
    assert.deepEqual(table["rename"], { battery_mv: "battery_v", vddMv: "vdd_v", tempF: "temp_c" });
    assert.deepEqual(table["unit"], { battery_v: "mV to V", vdd_v: "mV to V", temp_c: "°F to °C" });
    const converted = mappings([{ scale: { tempF: 0.1 }, rename: { battery_mv: "vdd_mv" } }]);
    assert.equal(proposeMapping(traces([{ tempF: 700, battery_mv: 3600 }], converted)), "");
    assert.equal(propose([{ rmv: "on", _mV: 3, profile: 1, F: 2 }]), "");
  });
});

test("whatever the keys are, a proposal is TOML that the configuration takes", () => {
  let proposals = 0;
  const key = fc
    .tuple(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.constantFrom("_mV", "Version", "model", "", "tempF"),
    )
    .map(([start, end]) => `${start}${end}`);
  const value = fc.oneof(
    fc.constantFrom("x", "\u0000\n\u007f\ud800", 327.67, 65_535, "12", true),
    fc.integer(),
  );
  const items = fc.array(fc.record({ ts: fc.constant(1_650_881_694), x: value }), {
    minLength: 1,
    maxLength: 2,
  });
  const object = fc.dictionary(key, fc.oneof(value, value, items));
  fc.assert(
    fc.property(fc.array(object, { maxLength: 4 }), fc.string({ unit: "binary" }), (objects, profileName) => {
      const toml = proposeMapping(traces([...objects, ...objects] as JsonObject[], [], { profileName }));
      if (toml === "") return;
      proposals += 1;
      compile(toml);
    }),
    { seed: 8, numRuns: 300 },
  );
  assert.ok(proposals > 100, `${proposals} proposals`);
});
