import assert from "node:assert/strict";
import { test } from "node:test";
import type { Modulation } from "../../../src/chirpstack/event.ts";
import { airtimeMs, marginDb } from "../../../src/telemetry/radio.ts";

function lora(spreadingFactor: number, bandwidthHz = 125_000, codeRate = "4/5"): Modulation {
  return { kind: "lora", spreadingFactor, bandwidthHz, codeRate };
}

test("airtime agrees with the known vectors (PHY payload of 13 and 23 bytes)", () => {
  assert.equal(airtimeMs(lora(7), 0, 1), 46.336);
  assert.equal(airtimeMs(lora(7), 10, 85), 61.696);
  assert.equal(airtimeMs(lora(9), 10, 85), 205.824);
  assert.equal(airtimeMs(lora(10), 10, 85), 370.688);
  assert.equal(airtimeMs(lora(11), 10, 85), 823.296);
  assert.equal(airtimeMs(lora(12), 10, 85), 1482.752);
});

test("an empty frame has no byte for a port that it does not name", () => {
  for (const fPort of [0, undefined]) {
    assert.equal(airtimeMs(lora(7), 0, fPort), 41.216);
    assert.equal(airtimeMs(lora(7), 10, fPort), 61.696);
  }
});

test("an unknown code rate is 4/5; a longer one takes longer", () => {
  assert.equal(airtimeMs(lora(7, 125_000, ""), 10, 85), 61.696);
  assert.ok(Number(airtimeMs(lora(7, 125_000, "4/8"), 10, 85)) > 61.696);
});

test("where the formula does not hold there is no airtime", () => {
  const cases: (Modulation | undefined)[] = [
    undefined,
    lora(6),
    lora(13),
    lora(7, 0),
    lora(7, 812_000, "4/8LI"),
    { kind: "fsk", bitrateBps: 50_000 },
    { kind: "lr_fhss", codeRate: "2/6" },
  ];
  for (const modulation of cases) assert.equal(airtimeMs(modulation, 10, 85), undefined);
});

test("margin is what the snr is above the spreading factor's need", () => {
  const needs: [number, number][] = [
    [6, -5],
    [7, -7.5],
    [8, -10],
    [9, -12.5],
    [10, -15],
    [11, -17.5],
    [12, -20],
  ];
  for (const [spreadingFactor, need] of needs) assert.equal(marginDb(lora(spreadingFactor), need + 3), 3);
  assert.equal(marginDb(lora(7), -8.2), -0.7);
  assert.equal(marginDb(lora(5), 1), undefined);
  assert.equal(marginDb(lora(7), undefined), undefined);
  assert.equal(marginDb({ kind: "fsk", bitrateBps: 1 }, 1), undefined);
});
