/**
 * Units of measurement that devices use, and how to get from one to another of the same kind: `"°F to °C"`.
 * A unit is its size in the base unit of its kind, and for temperatures the base value at its zero. Pure.
 */
import type { Linear } from "./settings.ts";

interface Unit {
  readonly size: number;
  readonly zero: number;
}

/** Each line is a kind; its first unit is what the others are measured in. */
const kinds: readonly Readonly<Record<string, number | Unit>>[] = [
  { "°C": 1, K: { size: 1, zero: -273.15 }, "°F": { size: 5 / 9, zero: (-32 * 5) / 9 } },
  { V: 1, mV: 1e-3, µV: 1e-6, kV: 1000 },
  { A: 1, mA: 1e-3, µA: 1e-6 },
  { Pa: 1, hPa: 100, kPa: 1000, MPa: 1e6, mbar: 100, bar: 1e5, psi: 6894.757293168, mmHg: 133.322387415 },
  { m: 1, mm: 1e-3, cm: 1e-2, km: 1000, in: 0.0254, ft: 0.3048, mi: 1609.344 },
  { m3: 1, L: 1e-3, mL: 1e-6, ft3: 0.028316846592, gal: 0.003785411784 },
  { "m3/h": 1, "L/h": 1e-3, "L/min": 0.06, "L/s": 3.6 },
  { kWh: 1, Wh: 1e-3, MWh: 1000, J: 1 / 3.6e6, kJ: 1 / 3600, MJ: 1 / 3.6 },
  { W: 1, mW: 1e-3, kW: 1000, MW: 1e6 },
  { "m/s": 1, "km/h": 1 / 3.6, mph: 0.44704, kn: 1852 / 3600 },
  { s: 1, ms: 1e-3, min: 60, h: 3600, d: 86_400 },
  { kg: 1, g: 1e-3, mg: 1e-6, t: 1000, lb: 0.45359237, oz: 0.028349523125 },
  { ratio: 1, "%": 1e-2, "‰": 1e-3, ppm: 1e-6, ppb: 1e-9 },
  { "µS/cm": 1, "mS/cm": 1000, "dS/m": 1000, "S/m": 10_000 },
  { "µg/m3": 1, "mg/m3": 1000 },
];

/** What people write for a unit, beside its name here. */
const spellings: Readonly<Record<string, string>> = {
  C: "°C",
  degC: "°C",
  F: "°F",
  degF: "°F",
  l: "L",
  ml: "mL",
  uV: "µV",
  uA: "µA",
  "uS/cm": "µS/cm",
  "ug/m3": "µg/m3",
  "l/h": "L/h",
  "l/min": "L/min",
  "l/s": "L/s",
  percent: "%",
  knots: "kn",
};

/** For a message: one kind after the other. */
export const knownUnits = kinds.map((kind) => Object.keys(kind).join(", ")).join("; ");

/** "mV to V" → times 0.001; `undefined` when a unit is not known, or they are of different kinds. */
export function unitConversion(text: string): Linear | undefined {
  const [from, to, ...rest] = text.split(" to ").map(unitName);
  if (from === undefined || to === undefined || from === to || rest.length > 0) return undefined;
  const kind = kinds.find((units) => Object.hasOwn(units, from) && Object.hasOwn(units, to));
  const source = unitOf(kind?.[from]);
  const target = unitOf(kind?.[to]);
  if (source === undefined || target === undefined) return undefined;
  return {
    factor: tidy(source.size / target.size),
    offset: tidy((source.zero - target.zero) / target.size),
  };
}

/** The micro sign has two code points that look alike, cubes a superscript. */
function unitName(text: string): string {
  const name = text.trim().replaceAll("μ", "µ").replaceAll("³", "3");
  return Object.hasOwn(spellings, name) ? (spellings[name] ?? name) : name;
}

function unitOf(unit: number | Unit | undefined): Unit | undefined {
  return typeof unit === "number" ? { size: unit, zero: 0 } : unit;
}

/** 0.001 / 100 is 0.00001, not 0.000009999999999999999. */
function tidy(value: number): number {
  return Number(value.toPrecision(15));
}
