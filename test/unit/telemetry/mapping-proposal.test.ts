import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { DeviceInfo, JsonObject } from "../../../src/chirpstack/event.ts";
import { mappingNotes, proposeMapping } from "../../../src/telemetry/mapping-proposal.ts";
import type { MappingTrace } from "../../../src/telemetry/mapping-trace.ts";
import { payloadRows } from "../../../src/telemetry/payload-rows.ts";
import { compile, propose, tableOf, traces } from "./mapping-fixture.ts";
import { mappings, noTags, payloadUplink, uplinkNs } from "./payload-uplink.ts";

/** What the device's profile and application are called, where nobody says it. */
const nobody = { profileName: "", profileId: "", applicationName: "", applicationId: "" };

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
        "# always the same so far. Without them rows are smaller, and none says so when one changes:",
        "# drop = [",
        '#   "Node_type", # "LHT65N" in all 6 payloads that have it',
        "# ]",
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
      Node_type: "LHT65N",
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

  test("has a comment that is right once it is none", () => {
    const toml = propose(lht65n).replaceAll(/^# (?=drop = |\]| {2}")/gm, "");
    assert.deepEqual(tableOf(toml)["drop"], ["Node_type"]);
    compile(toml);
  });

  test("is empty when there is nothing to say, or nobody to say it of", () => {
    assert.equal(proposeMapping([]), "");
    assert.equal(propose([{ temperature: 21 }, { temperature: 22 }]), "");
    const commentsOnly = [1, 2].map((n) => ({ sn: "A1", t: 327.67 * (n - 1), state: n === 1 ? 1 : "on" }));
    assert.equal(propose(commentsOnly), "");
    assert.equal(proposeMapping(traces(lht65n, [], nobody)), "");
  });

  test("matches by id where a configuration cannot hold the name", () => {
    for (const name of ["one\ntwo", "a\ttab", "n".repeat(257), "\ud800", "__proto__"]) {
      const matchOf = (device: Partial<DeviceInfo>): unknown =>
        tableOf(proposeMapping(traces(lht65n, [], { ...nobody, ...device })))["match"];
      assert.deepEqual(matchOf({ profileName: name, profileId: "id-1" }), { profile: "id-1" });
      assert.deepEqual(matchOf({ applicationName: name, applicationId: "1" }), { application: "1" });
      assert.equal(proposeMapping(traces(lht65n, [], { ...nobody, profileName: name })), "");
    }
  });

  test("matches by application where no profile is named, and says whom else it takes", () => {
    const farm = { ...nobody, applicationName: "farm", applicationId: "1" };
    const others = traces(lht65n.map((object) => ({ ...object, tempF: 70 })));
    const toml = proposeMapping([...traces(lht65n, [], farm), ...others]);
    assert.deepEqual(tableOf(toml)["match"], { application: "farm" });
    assert.equal(tableOf(toml)["unit"], undefined, "of this application only");
    assert.match(toml, /^# from the last 6 payloads of the application "farm"\n# no profile .*\n\[\[/);
    assert.doesNotMatch(proposeMapping(others), /application/);
    const profiles = compile(toml);
    assert.equal(proposeMapping(traces(lht65n, profiles, farm)), "", "and then it holds");
  });

  test("of rules that nothing can be matched by is a note of what is missing", () => {
    const [note = "", ...others] = mappingNotes(traces(lht65n, [], nobody));
    assert.match(note, /name neither a device profile nor an application/);
    assert.equal(others.length, 1);
    assert.match(others[0] ?? "", /^Bat_status changes its type/);
    assert.deepEqual(mappingNotes(traces([{ t: 1 }, { t: 2 }], [], nobody)), [], "there are no rules");
  });

  test("of no rule leaves notes of what changes its type, and of what may be sentinels", () => {
    const objects = [1, 2].map((n) => ({ sn: "A1", t: 327.67 * (n - 1), state: n === 1 ? 1 : true }));
    assert.equal(propose(objects), "");
    assert.deepEqual(mappingNotes(traces(objects)), [
      "state changes its type: number in 1 (such as 1), flag in 1 (such as true): a column has one type, the other values go to a column with a suffix",
      "[profile.sentinel] t = [327.67], if 327.67 means no measurement: 327.67: 1 of 2 values; the others are 0",
    ]);
    assert.deepEqual(mappingNotes(traces(lht65n)), [], "they are in the proposal");
    assert.deepEqual(mappingNotes([]), []);
  });

  test("matches by id where the profile has no name, and looks at one profile only", () => {
    const byId = traces(lht65n, [], { profileName: "", profileId: "id-1" });
    const others = traces(lht65n.map((object) => ({ ...object, tempF: 70 })));
    const table = tableOf(proposeMapping([...byId, ...others]));
    assert.deepEqual(table["match"], { profile: "id-1" });
    assert.equal(table["unit"], undefined);
  });

  test("says where its lines belong when a [[profile]] applies already, and proposes only what is new", () => {
    const profiles = mappings([{ match: { profile: "x" } }, { drop: ["Node_type"] }]);
    const toml = proposeMapping(traces(lht65n, profiles));
    assert.match(toml, /^# \[\[profile\]\] number 2 of the configuration applies already/m);
    assert.doesNotMatch(toml, /drop/);
    assert.deepEqual(tableOf(toml)["sentinel"], { TempC_DS: [327.67] });
  });
});

describe("other findings", () => {
  /** The keys in the comment, beside a sentinel that makes it a proposal. */
  const droppable = (all: readonly MappingTrace[]): string[] => {
    const toml = proposeMapping([...all, ...traces([{ t: 327.67 }, { t: 327.67 }])]);
    assert.equal(tableOf(toml)["drop"], undefined);
    return [...toml.matchAll(/^# {3}("[^"]*"), # /gm)].map(([, key = ""]) => JSON.parse(key) as string);
  };

  test("identities are called so, and the same in two payloads or more; they are offered, not proposed", () => {
    const objects = [1, 2].map((n) => ({
      codecVersion: "1.0",
      manufacturer: "Y",
      serialNumber: "34569125",
      protocol_version: n,
      mode: "eco",
      nested: { device_id: 858 },
    }));
    assert.deepEqual(droppable(traces(objects)), [
      "codecVersion",
      "manufacturer",
      "nested_device_id",
      "serialNumber",
    ]);
    assert.deepEqual(droppable(traces(objects.slice(0, 1))), []);
  });

  test("versions of programs are kept, and what only sounds like an identity", () => {
    const object = {
      firmware_version: "1.10",
      hardware_version: "v1.1",
      fw: "1.2",
      version: 3,
      dc_conversion: 1,
      polarity_inversion: 0,
      ac_model: "cool",
      acid: 5,
      tag_id: "A1",
    };
    assert.deepEqual(droppable(traces([object, object])), []);
  });

  test("an identity is one device's own, so it may differ from device to device", () => {
    const of = (devEui: string, serials: readonly string[]): MappingTrace[] =>
      traces(
        serials.map((sn) => ({ sn })),
        [],
        { devEui },
      );
    const all = [...of("a", ["A1", "A1"]), ...of("b", ["B7"])];
    assert.deepEqual(droppable(all), ["sn"]);
    const toml = proposeMapping([...all, ...traces([{ tempF: 70 }])]);
    assert.match(toml, /^# {3}"sn", # "A1" and others, each device its own$/m);
    assert.deepEqual(droppable([...of("a", ["A1"]), ...of("b", ["B7"])]), []);
    assert.deepEqual(droppable([...of("a", ["A1", "A2"]), ...of("b", ["B7", "B7"])]), []);
  });

  test("many payloads with long histories take no time to speak of", () => {
    const history = Array.from({ length: 256 }, (_, n) => ({ timestamp: 1_650_881_694 + n, t: n }));
    const [trace] = traces([{ history }]);
    assert.ok(trace !== undefined);
    const many = Array.from({ length: 500 }, () => trace);
    const started = process.cpuUsage();
    proposeMapping(many);
    const { user } = process.cpuUsage(started);
    assert.ok(user < 700_000, `${user} µs of CPU`);
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
    fc.constantFrom("x", "\u0000\n\u007f\ud800", "", "NULL", 327.67, 65_535, "12", true),
    fc.integer(),
  );
  const items = fc.array(fc.record({ ts: fc.constant(1_650_881_694), x: value }), {
    minLength: 1,
    maxLength: 2,
  });
  const known = fc.record({ tempF: value, a_mV: value, sn: value, "\u{1F404}": value }, { requiredKeys: [] });
  const object = fc
    .tuple(fc.dictionary(key, fc.oneof(value, value, items)), known)
    .map(([any, named]) => ({ ...any, ...named }));
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

describe("for payloads that a [[profile]] maps already, a proposal", () => {
  const proposeWith = (objects: readonly JsonObject[], rules: Record<string, unknown>): string => {
    const profiles = mappings([rules]);
    return proposeMapping(traces(objects, profiles), profiles[0]);
  };

  test("repeats the list or table that it takes the place of", () => {
    const rules = {
      rename: { a: "alpha" },
      sentinel: { t: [-99], other: ["x"] },
      text: ["serial"],
    };
    const objects = [327.67, 20, 327.67].map((t, n) => ({
      t,
      tempF: 70 + n,
      code: ["12", "A4", "B7"][n] ?? "",
    }));
    const table = tableOf(proposeWith(objects, rules));
    assert.deepEqual(
      [table["rename"], table["sentinel"], table["text"]],
      [{ a: "alpha", tempF: "temp_c" }, { other: ["x"], t: [-99, 327.67] }, ["serial", "code"]],
    );
  });

  test("never has a column in text that is scaled: the configuration would refuse it", () => {
    const objects = [{ n: "12" }, { n: "A4" }, { n: "B7" }];
    assert.deepEqual(tableOf(proposeWith(objects, {}))["text"], ["n"]);
    assert.doesNotMatch(proposeWith(objects, { unit: { n: "mV to V" } }), /^text/m);
  });
});

test("keys inside of items that are to be rows get no rule of their own", () => {
  const log = [0, 1].map((n) => ({ time: `2025-06-13T1${n}:00:00Z`, t: 327.67 }));
  const toml = propose([
    { log, log_extra: 327.67 },
    { log, log_extra: 327.67 },
  ]);
  assert.deepEqual(tableOf(toml)["sentinel"], { log_extra: [327.67] });
  assert.deepEqual(tableOf(toml)["explode"], { log: "time", history: "timestamp" });
});
