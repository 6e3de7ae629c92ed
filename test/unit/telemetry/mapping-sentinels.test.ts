import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compile, propose, tableOf } from "./mapping-fixture.ts";

describe("sentinels", () => {
  const found = (values: readonly (number | string)[]): unknown => {
    const toml = propose(values.map((t) => ({ t, a: 1 })));
    return toml === ""
      ? undefined
      : (tableOf(toml)["sentinel"] as Record<string, unknown> | undefined)?.["t"];
  };

  test("are values that nobody measures, also when there are no others, once they have occurred twice", () => {
    assert.deepEqual(found([327.67, 327.67]), [327.67]);
    assert.deepEqual(found(["327.67", 327.67, 21.5, -327.68, -327.68]), [327.67, -327.68]);
    assert.deepEqual(found([6553.5, 6553.5, 41.2]), [6553.5]);
    assert.equal(found([655.35, 655.35, 650, 661]), undefined);
  });

  test("are for a person to decide while they have occurred once", () => {
    assert.equal(propose([{ t: 327.67 }, { t: 20 }]), "");
    const toml = propose([
      { t: 327.67, u: 327.67 },
      { t: -327.68, u: 327.67 },
      { t: 327.67, u: 5 },
      { t: 20, u: 6 },
    ]);
    assert.deepEqual(tableOf(toml)["sentinel"], { t: [327.67], u: [327.67] });
    assert.match(
      toml,
      /^# if -327\.68 means no measurement: -327\.68: 1 of 4 values; the others are 20\n# t = \[327\.67, -327\.68\]$/m,
    );
  });

  test("can be values that are measured elsewhere, twice and far from all others", () => {
    assert.deepEqual(found([65_535, 410, 65_535, 980]), [65_535]);
    assert.deepEqual(found([-32_768, -32_768, 12]), [-32_768]);
    assert.deepEqual(found([-0.01, 21.5, -0.01, 22]), [-0.01]);
    assert.equal(found([65_535, 410, 980]), undefined);
    assert.equal(found([65_535, 65_535]), undefined);
  });

  test("are not what a counter passes, nor what freezes", () => {
    assert.equal(found([65_535, 65_535, 62_000, 61_990]), undefined);
    assert.equal(found([32_767, 32_767, 20_000, 20_001]), undefined);
    assert.equal(found([65_535, 65_535, 65_400, 10]), undefined);
    assert.equal(found([-0.01, -0.01, 0.5, 1.2]), undefined);
    assert.equal(found([-0.01, -0.01, 5.5, 6]), undefined);
    assert.equal(found([-0.01, -0.01, -6, -5.2]), undefined);
    assert.equal(found([-0.01, -0.01, 30, -2]), undefined);
  });

  test("are the texts of a column of numbers that say there is none", () => {
    assert.deepEqual(found(["21.50", "21.60", "NULL"]), ["NULL"]);
    assert.deepEqual(found([21.5, "n/a", 22, "", "N/A"]), ["n/a", "", "N/A"]);
    assert.deepEqual(found(["error", "error", "21.5"]), ["error"]);
    assert.deepEqual(found(["327.67", "327.67", "20", "NULL", 21]), [327.67, "NULL"]);
  });

  test("may be other texts, when they are few: for a person to decide", () => {
    const values = ["21.50", "21.60", "OFF", 327.67, 327.67].map((t) => ({ t }));
    const toml = propose(values);
    assert.deepEqual(tableOf(toml)["sentinel"], { t: [327.67] });
    assert.match(
      toml,
      /^# if "OFF" means no measurement: t changes its type: number in 4 .*\n# t = \[327\.67, "OFF"\]$/m,
    );
    const numbers = Array.from({ length: 20 }, (_, n) => ({ t: String(20 + n / 10), a: 1 }));
    const many = ["a", "b", "c", "d", "e", "f"].map((t) => ({ t, a: 1 }));
    assert.equal(propose([...numbers, ...many]), "");
    assert.equal(propose([...numbers, { t: "NULL\u0007", a: 1 }]), "");
  });

  test("are said of the column that a conversion makes", () => {
    const toml = propose(["3600", "3601", "N/A"].map((battery_mV) => ({ battery_mV })));
    assert.deepEqual(tableOf(toml)["rename"], { battery_mV: "battery_v" });
    assert.deepEqual(tableOf(toml)["sentinel"], { battery_v: ["N/A"] });
    compile(toml);
  });
});

describe("texts", () => {
  test("a key that is a number by its looks only stays a text", () => {
    const textOf = (values: readonly (string | number)[]): unknown => {
      const toml = propose(values.map((code) => ({ code })));
      return toml === "" ? undefined : tableOf(toml)["text"];
    };
    assert.deepEqual(textOf(["12", "A4"]), ["code"]);
    assert.deepEqual(textOf(["12", "13", "14", "A4", "007"]), ["code"]);
    assert.deepEqual(textOf(["1.5", "on", "off"]), ["code"]);
    // Measurements with an error, and numbers that are none by their looks.
    assert.equal(textOf(["21.5", "21.6", "E17"]), undefined);
    assert.equal(textOf([12, "A4"]), undefined);
  });

  test("a key that stays a text is not converted", () => {
    const toml = propose(["12", "A4"].map((tempF) => ({ tempF })));
    assert.deepEqual(tableOf(toml)["text"], ["tempF"]);
    assert.equal(tableOf(toml)["rename"], undefined);
    compile(toml);
  });
});
