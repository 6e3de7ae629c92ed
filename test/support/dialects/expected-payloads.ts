/**
 * The receptions and the payloads of the uplinks that the tests publish, in the database `lorawan`: cells that
 * were worked out by hand.
 */
import { row, table } from "../tables.ts";
import type { Row, Tables } from "../tables.ts";
import {
  at,
  bed1,
  bed2,
  bed3,
  cellar,
  north,
  probe,
  received,
  scale,
  tank1,
  tank2,
  trough,
} from "./expected-series.ts";

const uplinkRxColumns = {
  tag: "dev_eui application_id site building gateway_id",
  integer: "rssi channel f_cnt spreading_factor frequency",
  float: "snr margin ns_delay_ms latitude longitude altitude",
  boolean: "crc_ok",
};

const sf7 = { spreading_factor: 7 };
const roof = { gateway_id: "b827ebfffed7e6e4" };

const receptions: readonly Row[] = [
  row(
    { time: at.north, ...north, gateway_id: "7276ff000b031df7", ...sf7 },
    { rssi: -68, snr: 13.2, margin: 20.7, channel: 4, f_cnt: 153, frequency: 867_300_000 },
    { ns_delay_ms: 17.5, latitude: 47.1, longitude: 8.5, altitude: 512 },
  ),
  row(
    { time: at.north, ...north, gateway_id: "7276ff000b031df8", ...sf7 },
    { rssi: -101, snr: 0, margin: 7.5, channel: 0, f_cnt: 153, frequency: 867_300_000 },
  ),
  row(
    { time: at.cellar, ...cellar, gateway_id: "7276ff000b031df8" },
    { rssi: -120, snr: -4.3, margin: 15.7, channel: 2, f_cnt: 7001, frequency: 868_100_000 },
    { spreading_factor: 12, crc_ok: false },
  ),
  row(
    { time: at.probe, ...probe, gateway_id: "7276ff000b031df9" },
    { rssi: -90, snr: -2.25, margin: 17.75, channel: 0, f_cnt: 12, frequency: 868_500_000 },
    { spreading_factor: 12 },
  ),
  row(
    { time: at.tank1, ...tank1, ...roof },
    { rssi: -33, snr: 8.2, f_cnt: 261, frequency: 868_300_000 },
    { latitude: 46.5, longitude: 7.5, altitude: 600 },
  ),
  row(
    { time: at.tank1, ...tank1, gateway_id: "7276ff000b031df7" },
    { rssi: -97, snr: -4.5, f_cnt: 261, frequency: 868_300_000 },
  ),
  { time: received, ...tank2, ...roof, rssi: -99, snr: -3, f_cnt: 5, frequency: 868_100_000 },
  row(
    { time: at.trough, ...trough, ...roof },
    { rssi: -60, snr: 0, margin: 15, channel: 0, f_cnt: 9, spreading_factor: 10, frequency: 868_500_000 },
  ),
  row(
    { time: at.scale, ...scale, ...roof },
    {
      rssi: -71,
      snr: 5.5,
      margin: 15.5,
      channel: 3,
      f_cnt: 31,
      spreading_factor: 8,
      frequency: 868_300_000,
    },
    { latitude: 46.5, longitude: 7.5, altitude: 600 },
  ),
  row(
    { time: at.bed1, ...bed1, gateway_id: "24e124fffef54092", ...sf7 },
    { rssi: -51, snr: 13.8, margin: 21.3, f_cnt: 128, frequency: 868_100_000 },
    { latitude: 45.5, longitude: 9.25, altitude: 700 },
  ),
  row(
    { time: at.bed2, ...bed2, gateway_id: "24e124fffef54092", ...sf7 },
    { rssi: -44, snr: 11, margin: 18.5, f_cnt: 3, frequency: 868_300_000 },
  ),
];

const payloadColumns = { tag: "dev_eui application_id site", integer: "f_cnt f_port" };

export const expectedPayloads: Tables = {
  uplink_rx: table(uplinkRxColumns, receptions),
  // Two profiles and two dialects in one table that is named in the configuration.
  climate: table(
    {
      tag: "dev_eui application_id site building",
      integer: "f_cnt f_port",
      float: "temperature humidity battery_voltage probe_temperature probe_0 probe_2 time_",
      string: "device_name status_mode serial humidity_text Bat_status",
      boolean: "status_mounted from_history",
    },
    [
      row(
        { time: at.north, ...north },
        { device_name: "barn north", f_cnt: 153, f_port: 85, temperature: 21.5, humidity: 56.5, time_: 1 },
        {
          battery_voltage: 3.6,
          status_mounted: true,
          status_mode: "auto",
          probe_0: 18.25,
          probe_2: 18.75,
        },
        { serial: "007" },
      ),
      row(
        { time: "2026-03-10T11:30:00", ...north },
        { device_name: "barn north", from_history: true, temperature: 20.5, humidity: 50 },
      ),
      row(
        { time: "2026-03-10T11:40:00", ...north },
        { device_name: "barn north", from_history: true, temperature: 20.75, humidity_text: "n/a" },
      ),
      row(
        { time: at.cellar, ...cellar },
        { device_name: "cellar", f_cnt: 7001, f_port: 2, temperature: 28.29, humidity: 88.1 },
        { battery_voltage: 3.062, Bat_status: "Good" },
      ),
      row(
        { time: at.trough, ...trough },
        { device_name: "trough", f_cnt: 9, f_port: 2, temperature: -1.25, humidity: 69.5 },
        { battery_voltage: 3.1, probe_temperature: 4.5 },
      ),
    ],
  ),
  telemetry_au_ere_fuhler_1: table(
    { ...payloadColumns, float: "grid_0 grid_1", string: "device_name note", boolean: "open" },
    [
      row(
        { time: at.probe, ...probe },
        { device_name: "Fühler 4", f_cnt: 12, f_port: 2, grid_0: 1, grid_1: 2, note: "ok", open: false },
      ),
    ],
  ),
  telemetry_dragino_ldds75: table(
    {
      ...payloadColumns,
      tag: "dev_eui application_id site building",
      float: "Bat Interrupt_flag TempC_DS18B20",
      string: "device_name Distance",
    },
    [
      row(
        { time: at.tank1, ...tank1 },
        { device_name: "tank 1", f_cnt: 261, f_port: 2, Bat: 3.338, Interrupt_flag: 0, TempC_DS18B20: 0 },
        { Distance: "2025 mm" },
      ),
      { time: received, ...tank2, device_name: "tank 2", f_cnt: 5, f_port: 2, Bat: 3.5 },
    ],
  ),
  telemetry_scale: table(
    { ...payloadColumns, float: "weight", string: "device_name unit", boolean: "stable" },
    [
      row(
        { time: at.scale, ...scale },
        { device_name: "scale", f_cnt: 31, f_port: 6, weight: 412.5, unit: "kg", stable: true },
      ),
    ],
  ),
  // Milesight's messages name no profile.
  telemetry_unknown: table(
    { ...payloadColumns, float: "battery temperature", string: "device_name position" },
    [
      row(
        { time: at.bed2, ...bed2 },
        { device_name: "bed 2", f_cnt: 3, f_port: 85, battery: 92, temperature: 24.5, position: "normal" },
      ),
      { time: at.bed3, ...bed3, battery: 91 },
    ],
  ),
};
