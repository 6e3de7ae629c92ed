import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { isNumberText, leafValue, scale } from "../../../src/telemetry/leaf-rules.ts";
import { defaultMapping, mappingOf } from "../../../src/telemetry/profile-match.ts";
import type { ProfileMapping } from "../../../src/telemetry/settings.ts";
import { unitConversion } from "../../../src/telemetry/unit-conversions.ts";
import { mappings, payloadUplink } from "./payload-uplink.ts";

const rules = (changes: Partial<ProfileMapping>): ProfileMapping => ({ ...defaultMapping, ...changes });

describe("a text becomes a number", () => {
  test("when it is a decimal as JSON would write it", () => {
    for (const text of ["0", "-0", "7", "21.50", "-0.01", "0.00", "123456789012345", "0.00000000000001"]) {
      assert.equal(leafValue(defaultMapping, "x", text), Number(text), text);
    }
  });

  test("and stays a text when it is anything else", () => {
    const texts = [
      "",
      " 1",
      "1 ",
      "+1",
      ".5",
      "5.",
      "007",
      "1e3",
      "0x10",
      "1,5",
      "NaN",
      "Infinity",
      "--1",
      "٣",
      "1_0",
    ];
    for (const text of texts) assert.equal(leafValue(defaultMapping, "x", text), text, text);
  });

  test("with at most the fifteen digits that a double keeps", () => {
    assert.equal(isNumberText("t", "123456789012.345"), true);
    assert.equal(isNumberText("t", "1234567890123.456"), false);
    assert.equal(isNumberText("t", "-0.12345678901234"), true);
    assert.equal(isNumberText("t", "0.123456789012345"), false);
    assert.equal(isNumberText("t", "1234567890123456"), false);
    assert.equal(isNumberText("t", `0.${"0".repeat(60_000)}`), false);
  });

  test("but not in a column that is called like an identifier, where `1.10` is not 1.1", () => {
    for (const name of ["version", "codecVersion", "fw", "serial_no", "application_id_"]) {
      assert.equal(isNumberText(name, "1.10"), false, name);
      assert.equal(leafValue(defaultMapping, name, "1.10"), "1.10", name);
      assert.equal(leafValue(defaultMapping, name, 1.1), 1.1, "what the codec made a number is one");
    }
    for (const name of ["humid", "conversion", "dc_conversion", "hw_temperature"]) {
      assert.equal(isNumberText(name, "1.10"), true, name);
    }
  });

  test("unless the column keeps its texts, or no text is to become one", () => {
    assert.equal(leafValue(rules({ text: new Set(["batch"]) }), "batch", "34569125"), "34569125");
    assert.equal(leafValue(rules({ text: new Set(["batch"]) }), "other", "34569125"), 34_569_125);
    assert.equal(leafValue(rules({ numericText: false }), "batch", "34569125"), "34569125");
  });

  test("any such text means the number that it becomes", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat({ max: 5 }), (digits, decimals) => {
        const text = (digits / 10 ** decimals).toFixed(decimals);
        assert.equal(leafValue(defaultMapping, "x", text), Number(text));
      }),
      { seed: 2 },
    );
  });
});

describe("a sentinel is no measurement", () => {
  const sentinels = new Map([["t", new Set<number | string>([327.67, "NULL", 0])]]);

  test("as number, as text, and as a text that became a number", () => {
    for (const raw of [327.67, "NULL", "327.67", "327.670", 0, -0, "0.00"]) {
      assert.equal(leafValue(rules({ sentinels }), "t", raw), undefined, JSON.stringify(raw));
    }
    for (const raw of [327.66, "null", false, ""]) {
      assert.equal(leafValue(rules({ sentinels }), "t", raw), raw, JSON.stringify(raw));
    }
  });

  test("a text among them means that text, not the number that it looks like", () => {
    const texts = rules({ sentinels: new Map([["t", new Set(["0.00"])]]) });
    assert.equal(leafValue(texts, "t", "0.00"), undefined);
    assert.equal(leafValue(texts, "t", 0), 0);
    assert.equal(leafValue(texts, "t", "0.0"), 0);
  });

  test("in its own column only", () => {
    assert.equal(leafValue(rules({ sentinels }), "u", 327.67), 327.67);
  });

  test("before scaling, never after it", () => {
    const linear = new Map([["t", { factor: 10, offset: 0 }]]);
    assert.equal(leafValue(rules({ sentinels, linear }), "t", 327.67), undefined);
    assert.equal(leafValue(rules({ sentinels, linear }), "t", 32.767), 327.67);
  });
});

describe("a number is scaled", () => {
  test("without the noise of binary fractions", () => {
    assert.equal(scale(21.5, { factor: 0.1, offset: 0 }), 2.15);
    assert.equal(scale(0.1, { factor: 1, offset: 0.2 }), 0.3);
    assert.equal(scale(123_456_789.123_456, { factor: 1, offset: 0 }), 123_456_789.123);
  });

  test("nor with what is left over where the parts cancel each other out", () => {
    const fahrenheit = unitConversion("F to C");
    assert.ok(fahrenheit !== undefined);
    assert.notEqual(32 * fahrenheit.factor + fahrenheit.offset, 0);
    assert.ok(Object.is(scale(32, fahrenheit), 0));
    assert.equal(scale(212, fahrenheit), 100);
    assert.equal(scale(33, fahrenheit), 0.555_555_555_6);
    assert.equal(scale(0.3, { factor: 1, offset: -0.1 }), 0.2);
    assert.equal(scale(0.1, { factor: 3, offset: -0.3 }), 0);
    assert.equal(scale(1.001, { factor: 1, offset: -1 }), 0.001);
    assert.equal(scale(1_000_000.000_01, { factor: 1, offset: -1_000_000 }), 0.000_01);
    assert.equal(scale(-1_000_000.000_01, { factor: 1, offset: 1_000_000 }), -0.000_01);
    assert.equal(scale(1_000_000.000_004, { factor: 1, offset: -1_000_000 }), 0);
    assert.equal(scale(5, { factor: 1, offset: -5 }), 0);
  });

  test("to twelve digits, however large or small it is", () => {
    assert.equal(scale(1.234_567_890_123_4e200, { factor: 1, offset: 0 }), 1.234_567_890_12e200);
    assert.equal(scale(1.234_567_890_123_4e-200, { factor: 1, offset: 0 }), 1.234_567_890_12e-200);
    assert.equal(scale(1.234_567_890_123_4e-9, { factor: 1, offset: 1e-20 }), 1.234_567_890_13e-9);
    assert.equal(scale(9.5, { factor: 1, offset: 0.512_345_678_912 }), 10.012_345_678_9);
    assert.equal(scale(0, { factor: 2, offset: 1.234_567_890_123_4e-9 }), 1.234_567_890_12e-9);
  });

  test("texts and flags are not, unless the text became a number", () => {
    const linear = new Map([["x", { factor: 2, offset: 1 }]]);
    assert.equal(leafValue(rules({ linear }), "x", "1.50"), 4);
    assert.equal(leafValue(rules({ linear }), "x", "high"), "high");
    assert.equal(leafValue(rules({ linear }), "x", true), true);
    assert.equal(leafValue(rules({ linear, text: new Set(["x"]) }), "x", "1.50"), "1.50");
  });

  test("and is no field when the result is not finite", () => {
    assert.equal(scale(1e300, { factor: 1e300, offset: 0 }), undefined);
  });

  test("every rule leaves a finite number, or nothing", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(number, number, number, (value, factor, offset) => {
        const scaled = scale(value, { factor, offset });
        const exact = value * factor + offset;
        const largest = Math.max(Math.abs(value * factor), Math.abs(offset));
        if (!Number.isFinite(exact)) assert.equal(scaled, undefined);
        // Below 1e-307 doubles have fewer digits of their own than the rounding keeps.
        else if (largest > 1e-290) assert.ok(Math.abs((scaled ?? Number.NaN) - exact) < largest * 1e-11);
      }),
      { seed: 4 },
    );
  });
});

describe("the mapping of a device", () => {
  const device = {
    ...payloadUplink({}).device,
    profileName: "LHT65N",
    profileId: "id-1",
    applicationName: "barns",
    applicationId: "app-1",
    tags: new Map([["building", "7"]]),
  };
  const match = (wanted: Record<string, unknown>): boolean => {
    const [mapping] = mappings([{ match: wanted }]);
    return mapping !== undefined && mappingOf(device, [mapping]) === mapping;
  };

  test("fits by name or id of profile and application, and by tags, all that are given", () => {
    const right = [
      { profile: "LHT65N" },
      { profile: "id-1" },
      { application: "barns" },
      { application: "app-1" },
      { tags: { building: "7" } },
      { profile: "LHT65N", application: "app-1", tags: { building: "7" } },
    ];
    for (const wanted of right) assert.equal(match(wanted), true, JSON.stringify(wanted));
    const wrong = [
      { profile: "LHT65" },
      { profile: "lht65n" },
      { profile: "app-1" },
      { application: "LHT65N" },
      { tags: { building: "8" } },
      { tags: { floor: "7" } },
      { profile: "LHT65N", application: "fields" },
      { profile: "LHT65N", tags: { building: "7", floor: "1" } },
    ];
    for (const wanted of wrong) assert.equal(match(wanted), false, JSON.stringify(wanted));
  });

  test("is the first that fits, and else the defaults", () => {
    const [a, b, c] = mappings([
      { match: { profile: "other" } },
      { match: { application: "barns" } },
      { match: { profile: "LHT65N" } },
    ]);
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    assert.equal(mappingOf(device, [a, b, c]), b);
    assert.equal(mappingOf(device, [a, c, b]), c);
    assert.equal(mappingOf(device, [a]), defaultMapping);
    assert.equal(mappingOf(device, []), defaultMapping);
  });
});
