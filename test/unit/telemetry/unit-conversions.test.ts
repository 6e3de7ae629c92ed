/** Units of measurement: each by a figure from its definition, and that whatever is none is no conversion. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { scale } from "../../../src/telemetry/leaf-rules.ts";
import { knownUnits, unitConversion } from "../../../src/telemetry/unit-conversions.ts";

describe("units", () => {
  const convert = (text: string, value: number): number | undefined => {
    const linear = unitConversion(text);
    return linear === undefined ? undefined : scale(value, linear);
  };
  const assertNear = (got: number | undefined, expected: number, text: string): void => {
    const error = Math.abs((got ?? Number.NaN) - expected);
    assert.ok(error <= Math.abs(expected) * 1e-9, `${text}: ${got}`);
  };

  test("each unit by its definition, in the first unit of its kind", () => {
    const table: readonly [text: string, value: number, expected: number][] = [
      ["K to °C", 273.15, 0],
      ["°F to °C", 32, 0],
      ["°F to °C", 212, 100],
      ["mV to V", 1000, 1],
      ["µV to V", 1_000_000, 1],
      ["kV to V", 1, 1000],
      ["mA to A", 1000, 1],
      ["µA to A", 1_000_000, 1],
      ["hPa to Pa", 1, 100],
      ["kPa to Pa", 1, 1000],
      ["MPa to Pa", 1, 1_000_000],
      ["mbar to Pa", 1, 100],
      ["bar to Pa", 1, 100_000],
      // A pound-force, 4.4482216152605 N, on a square inch, 0.00064516 m².
      ["psi to Pa", 1, 6_894.757_293_168],
      // 1 mm of 13,595.1 kg/m³ under 9.80665 m/s².
      ["mmHg to Pa", 1, 133.322_387_415],
      ["mm to m", 1000, 1],
      ["cm to m", 100, 1],
      ["km to m", 1, 1000],
      ["in to m", 1, 0.0254],
      ["ft to m", 1, 0.3048],
      ["mi to m", 1, 1609.344],
      ["L to m3", 1000, 1],
      ["mL to m3", 1_000_000, 1],
      ["ft3 to m3", 1, 0.028_316_846_592],
      // The US gallon: 231 cubic inches.
      ["gal to m3", 1, 0.003_785_411_784],
      ["L/h to m3/h", 1000, 1],
      ["L/min to m3/h", 50, 3],
      ["L/s to m3/h", 10, 36],
      ["Wh to kWh", 1000, 1],
      ["MWh to kWh", 1, 1000],
      ["J to kWh", 3_600_000, 1],
      ["kJ to kWh", 3600, 1],
      ["MJ to kWh", 3.6, 1],
      ["mW to W", 1000, 1],
      ["kW to W", 1, 1000],
      ["MW to W", 1, 1_000_000],
      ["km/h to m/s", 36, 10],
      ["mph to m/s", 1, 0.447_04],
      ["kn to m/s", 3600, 1852],
      ["ms to s", 1000, 1],
      ["min to s", 1, 60],
      ["h to s", 1, 3600],
      ["d to s", 1, 86_400],
      ["g to kg", 1000, 1],
      ["mg to kg", 1_000_000, 1],
      ["t to kg", 1, 1000],
      ["lb to kg", 1, 0.453_592_37],
      // A sixteenth of a pound.
      ["oz to kg", 1, 0.028_349_523_125],
      ["% to ratio", 100, 1],
      ["‰ to ratio", 1000, 1],
      ["ppm to ratio", 1_000_000, 1],
      ["ppb to ratio", 1_000_000_000, 1],
      ["mS/cm to µS/cm", 1, 1000],
      // A tenth of a siemens on a hundred centimetres.
      ["dS/m to µS/cm", 1, 1000],
      ["S/m to µS/cm", 1, 10_000],
      ["mg/m3 to µg/m3", 1, 1000],
    ];
    const tested = new Set(table.flatMap(([text]) => text.split(" to ")));
    assert.deepEqual([...tested].sort(), knownUnits.split(/[,;] /).sort());
    for (const [text, value, expected] of table) assertNear(convert(text, value), expected, text);
  });

  test("known conversions, by figures that one can look up", () => {
    const table: readonly [string, number, number][] = [
      ["°F to °C", 212, 100],
      ["F to C", -40, -40],
      ["°C to °F", 100, 212],
      ["K to °C", 0, -273.15],
      ["°F to K", 32, 273.15],
      ["mV to V", 3652, 3.652],
      ["V to mV", 3.652, 3652],
      ["mA to A", 2500, 2.5],
      ["Pa to hPa", 101_325, 1013.25],
      ["kPa to hPa", 101.325, 1013.25],
      ["mbar to hPa", 1013, 1013],
      ["psi to bar", 14.503_773_773, 1],
      ["mm to m", 2025, 2.025],
      ["cm to m", 202.5, 2.025],
      ["ft to m", 10, 3.048],
      ["in to mm", 1, 25.4],
      ["L to m3", 1, 0.001],
      ["m³ to L", 1, 1000],
      ["gal to L", 1, 3.785_411_784],
      ["Wh to kWh", 1500, 1.5],
      ["MJ to kWh", 3.6, 1],
      ["% to ratio", 56, 0.56],
      ["ratio to %", 0.56, 56],
      ["ppm to %", 10_000, 1],
      ["km/h to m/s", 36, 10],
      ["kn to km/h", 1, 1.852],
      ["mph to km/h", 10, 16.09344],
      ["min to s", 2, 120],
      ["lb to kg", 1, 0.453_592_37],
      ["uS/cm to mS/cm", 1500, 1.5],
    ];
    for (const [text, value, expected] of table) assertNear(convert(text, value), expected, text);
  });

  test("there and back is where it began", () => {
    for (const kind of knownUnits.split("; ")) {
      const units = kind.split(", ");
      assert.ok(units.length >= 2, kind);
      for (const from of units) {
        for (const to of units) {
          if (from === to) continue;
          const there = convert(`${from} to ${to}`, 12.5) ?? Number.NaN;
          const back = convert(`${to} to ${from}`, there) ?? Number.NaN;
          assert.ok(Math.abs(back - 12.5) < 1e-6, `${from} to ${to} and back: ${back}`);
        }
      }
    }
  });

  test("what is not two units of one kind is no conversion", () => {
    const wrong = [
      "",
      "V",
      "mV",
      "mV to",
      "mV to A",
      "mV to mV",
      "C to °C",
      "mV V",
      "mV to V to kV",
      "toString to x",
    ];
    for (const text of wrong) assert.equal(unitConversion(text), undefined, text);
  });
});
