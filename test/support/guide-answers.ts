/** What the queries of docs/tables.md answer about the farm of guide-messages.ts: worked out by hand. */
import assert from "node:assert/strict";
import { timeNsOf } from "../../src/sandbox/influx-reader.ts";
import { at, mast, roof } from "./guide-messages.ts";
import type { Dashboard } from "./guide-page.ts";
import type { Row } from "./tables.ts";

export interface GuideAnswer {
  readonly heading: string;
  readonly dashboard: Dashboard;
  /** In their order; null is left out. */
  readonly rows: (nowMs: number) => readonly Row[];
  /** By how much a column may be off; rounding noise may be anywhere. */
  readonly within?: Readonly<Record<string, number>>;
}

function dashboard(from: string, to: string, intervalS: number): Dashboard {
  return { from: `${from}Z`, to: `${to}Z`, intervalS };
}

const north = "barn north";
const south = "barn south";
/** What an answer says of a device beside its figures; two of them have one name. */
const northDevice = { dev_eui: "24e124136b500001", device: north };
const namesakeDevice = { dev_eui: "24e124136b500006", device: north };
const southDevice = { dev_eui: "24e124136b500002", device: south };
/** Called "meter" before. */
const gauge = { dev_eui: "70b3d50000000004", device: "gauge" };
const sixToNoon = dashboard(at(0, "06:00:00"), at(0, "12:00:00"), 3600);

// With 13 bytes around a payload of 7, and 12 without one: the time on air that LoRa calculators give.
const sf7Ms = 56.576;
const sf9Ms = 185.344;
const sf12Ms = 1318.912;
const emptySf7Ms = 41.216;
const hourMs = 3_600_000;

const newest: GuideAnswer = {
  heading: "1. The newest value of each device",
  dashboard: sixToNoon,
  rows: () => [
    // At 09:00 there was no temperature.
    { device_name: north, temperature: 22.5, humidity: 63, time: at(0, "08:30:00") },
    { device_name: north, temperature: 32, humidity: 30, time: at(0, "06:40:00") },
    { device_name: south, temperature: 15.5, humidity: 70, time: at(0, "07:35:00") },
  ],
};

const mean: GuideAnswer = {
  heading: "2. The mean over time",
  dashboard: sixToNoon,
  rows: () => [
    { time: at(0, "06:00:00"), ...northDevice, temperature: (18 + 20) / 2 },
    // Before, it was called otherwise.
    { time: at(0, "06:00:00"), ...namesakeDevice, temperature: (30 + 32) / 2 },
    { time: at(0, "06:00:00"), ...southDevice, temperature: (10 + 12) / 2 },
    { time: at(0, "07:00:00"), ...northDevice, temperature: 21 },
    { time: at(0, "07:00:00"), ...southDevice, temperature: (14 + 16 + 15.5) / 3 },
    // One of them was sent later, as history.
    { time: at(0, "08:00:00"), ...northDevice, temperature: (21.5 + 22.5) / 2 },
    { time: at(0, "09:00:00"), ...northDevice },
  ],
};

const delivery: GuideAnswer = {
  heading: "3. Packet delivery rate",
  dashboard: sixToNoon,
  rows: () => [
    // 195 196 … 200, then 0 . 2 under another address.
    { device: south, received: 5, lost: 3 + 1, pdr_percent: 500 / 9 },
    // 142 143 144 . . 147 148 149
    { device: north, received: 6, lost: 2, pdr_percent: 75 },
    // 20 21, under two names.
    { device: north, received: 2, lost: 0, pdr_percent: 100 },
    // 5, then 9 under another address, which came again.
    { device: "gauge", received: 2, lost: 0, pdr_percent: 100 },
  ],
};

const oneGateway: GuideAnswer = {
  heading: "4. Devices that only one gateway hears",
  dashboard: sixToNoon,
  rows: () => [
    { device: south, gateway_id: mast, uplinks: 5, best_rssi: -110 },
    { device: "gauge", gateway_id: roof, uplinks: 3, best_rssi: -60 },
  ],
};

const radio: GuideAnswer = {
  heading: "5. Radio beside payload",
  dashboard: sixToNoon,
  rows: () => {
    const row = (clock: string, device: string, temperature: number, margin: number, sf: number): Row => ({
      time: at(0, clock),
      device_name: device,
      temperature,
      margin,
      spreading_factor: sf,
    });
    return [
      row("06:00:00.123456789", north, 18, 9.5 + 7.5, 7),
      row("06:10:00", "shed", 30, 9.5 + 7.5, 7),
      row("06:15:00", south, 10, -4 + 12.5, 9),
      row("06:25:00", south, 12, -4 + 12.5, 9),
      row("06:30:00", north, 20, 8 + 7.5, 7),
      row("06:40:00", north, 32, 9.5 + 7.5, 7),
      row("07:00:00", north, 21, 9.5 + 7.5, 7),
      row("07:05:00", south, 14, -4 + 12.5, 9),
      row("07:15:00", south, 16, -12 + 20, 12),
      row("07:35:00", south, 15.5, -12 + 20, 12),
      row("08:30:00", north, 22.5, 1 + 12.5, 9),
      { time: at(0, "09:00:00"), device_name: north, margin: 1 + 12.5, spreading_factor: 9 },
    ];
  },
};

const silent: GuideAnswer = {
  heading: "6. Silent devices",
  dashboard: dashboard(at(-6, "00:00:00"), at(3, "00:00:00"), 3600),
  rows: (nowMs) => {
    const row = (device: string, last: string, intervalS: number): Row => ({
      device_name: device,
      last_uplink: last,
      missed: Math.floor((nowMs - Date.parse(`${last}Z`)) / 1000 / intervalS),
    });
    // The meter sends once a day. South sent each five minutes once, as older rows of `device` still say.
    return [row(south, at(0, "07:35:00"), 600), row(north, at(0, "09:30:00"), 1800)];
  },
  within: { missed: 1 },
};

const battery: GuideAnswer = {
  heading: "7. Battery trend",
  dashboard: dashboard(at(-2, "00:00:00"), at(1, "00:00:00"), 86_400),
  rows: () => [
    { time: at(-2, "00:00:00"), ...northDevice, battery_level: 90.5 },
    { time: at(-1, "00:00:00"), ...northDevice, battery_level: 89 },
    { time: at(-1, "00:00:00"), ...namesakeDevice, battery_level: 71 },
    { time: at(-1, "00:00:00"), ...gauge, battery_level: 55 },
    { time: at(0, "00:00:00"), ...northDevice, battery_level: 87.5 },
    { time: at(0, "00:00:00"), ...namesakeDevice, battery_level: 70 },
  ],
};

const gateways: GuideAnswer = {
  heading: "8. What gateways receive",
  dashboard: dashboard(at(0, "11:00:00"), at(0, "12:30:00"), 1800),
  rows: () => [
    { time: at(0, "11:30:00"), gateway_id: roof, good: 90 + 54, good_percent: 90, sent: 4 + 1 },
    { time: at(0, "11:30:00"), gateway_id: mast, good: 199, good_percent: 99.5, sent: 0 },
    { time: at(0, "12:00:00"), gateway_id: roof, good: 20 + 20, good_percent: 50, sent: 2 + 1 },
    { time: at(0, "12:00:00"), gateway_id: mast, good: 0, sent: 0 },
  ],
};

const complaints: GuideAnswer = {
  heading: "9. What the network server complains about",
  dashboard: sixToNoon,
  rows: () => [
    { ...northDevice, log_code: "UPLINK_CODEC", times: 3, last_time: at(0, "09:00:01") },
    { ...southDevice, log_code: "OTAA", times: 2, last_time: at(0, "07:07:10") },
    { ...namesakeDevice, log_code: "UPLINK_CODEC", times: 2, last_time: at(0, "06:40:01") },
    { ...southDevice, log_code: "UPLINK_F_CNT_RESET", times: 1, last_time: at(0, "07:15:01") },
  ],
};

const airtime: GuideAnswer = {
  heading: "10. Airtime",
  dashboard: sixToNoon,
  rows: () => {
    const row = (clock: string, device: Row, onAirMs: number): Row => ({
      time: at(0, clock),
      ...device,
      duty_cycle_percent: (100 * onAirMs) / hourMs,
    });
    return [
      row("06:00:00", northDevice, 2 * sf7Ms),
      row("06:00:00", namesakeDevice, 2 * sf7Ms),
      row("06:00:00", southDevice, 2 * sf9Ms),
      row("07:00:00", northDevice, sf7Ms),
      row("07:00:00", southDevice, sf9Ms + 2 * sf12Ms),
      row("08:00:00", northDevice, sf9Ms),
      row("09:00:00", northDevice, sf9Ms + emptySf7Ms),
      row("09:00:00", gauge, sf7Ms),
      row("11:00:00", gauge, 2 * sf7Ms),
    ];
  },
};

/** In the order of the page. */
export const guideAnswers: readonly GuideAnswer[] = [
  newest,
  mean,
  delivery,
  oneGateway,
  radio,
  silent,
  battery,
  gateways,
  complaints,
  airtime,
];

/** Row by row, in their order. Times may be printed in any way that InfluxDB prints them. */
export function assertAnswer(found: readonly Row[], expected: readonly Row[], answer: GuideAnswer): void {
  const shown = `${answer.heading}: ${JSON.stringify(found, undefined, 2)}`;
  assert.equal(found.length, expected.length, shown);
  for (const [index, row] of expected.entries()) {
    const cells = found[index] ?? {};
    assert.deepEqual(Object.keys(cells).toSorted(), Object.keys(row).toSorted(), shown);
    for (const [name, value] of Object.entries(row))
      assertCell(cells[name], value, answer.within?.[name], shown);
  }
}

function assertCell(found: unknown, expected: unknown, within: number | undefined, shown: string): void {
  if (typeof expected === "number") {
    assert.ok(typeof found === "number", shown);
    const error = Math.abs(found - expected);
    assert.ok(error <= (within ?? 1e-9 * Math.max(1, Math.abs(expected))), `${expected} in ${shown}`);
    return;
  }
  const timeNs = timeNsOf(expected);
  if (timeNs === undefined) assert.equal(found, expected, shown);
  else assert.equal(timeNsOf(found), timeNs, `${String(expected)} in ${shown}`);
}
